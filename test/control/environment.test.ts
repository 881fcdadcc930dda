import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig, snapshotForProxy } from '../../src/control/config.ts';

const FILE = `listeners: [{address: "127.0.0.1:8800", upstream: asr}]
upstreams: {asr: {endpoints: ["127.0.0.1:9001"]}}
log: {level: info}
`;
const memory = 2 ** 30;
const read = (environment: Record<string, string>, text = FILE) => readConfig(text, 'f.yaml', { environment, memory });

test('the environment overrides scalars, whether the file has their section or not', () => {
  const { snapshot, mistakes } = read({
    FRAMEWAY_LOG_LEVEL: 'debug',
    FRAMEWAY_LOG_ACCESS: 'true',
    FRAMEWAY_ADMIN: 'off',
    FRAMEWAY_DRAIN_TIMEOUT: '5s',
    FRAMEWAY_LIMITS_MAX_CONCURRENT_STREAMS: '7',
    HOME: '/root',
  });
  assert.ok(snapshot, mistakes.join('\n'));
  assert.deepEqual(snapshot.log, { level: 'debug', access: true });
  assert.equal(snapshot.admin, null);
  assert.equal(snapshot.drainTimeout, 5000);
  assert.equal(snapshot.limits.maxConcurrentStreams, 7);
});

test('bad values and unknown variables are reported after the mistakes of the file', () => {
  const text = FILE.replace('info}', 'info, acess: true}');
  const environment = { FRAMEWAY_LOG_LEVEL: 'loud', FRAMEWAY_LGO_ACCESS: 'true', FRAMEWAY_DRAIN_TIMEOUT: '' };
  assert.deepEqual(
    new Set(read(environment, text).mistakes),
    new Set([
      'f.yaml:3:20: log.acess: unknown key (did you mean access?)',
      'environment: FRAMEWAY_LGO_ACCESS: unknown variable (did you mean FRAMEWAY_LOG_ACCESS?)',
      'environment: FRAMEWAY_DRAIN_TIMEOUT: nothing is not a duration (with a unit, like 5s, 250ms or 1m30s)',
      'environment: FRAMEWAY_LOG_LEVEL: "loud" is not known here (known: trace, debug, info, warn, error, fatal, silent)',
    ]),
  );
  assert.match(read(environment, text).mistakes[0]!, /^f\.yaml:/);
});

test('a contradiction with the file is reported at the variable', () => {
  assert.deepEqual(read({ FRAMEWAY_LIMITS_MAX_HEADER_FIELDS_HARD: '100' }).mistakes, [
    'environment: FRAMEWAY_LIMITS_MAX_HEADER_FIELDS_HARD: 100 is less than max_header_fields (200 or more)',
  ]);
});

test('listeners and upstreams are not for the environment', () => {
  assert.equal(read({ FRAMEWAY_LISTENERS: 'x' }).mistakes.length, 1);
  assert.equal(read({ FRAMEWAY_UPSTREAMS_ASR_PROTOCOL: 'h2' }).mistakes.length, 1);
});

test('nor are tenants and ways to show who calls, which would be turned on by a part of themselves', () => {
  for (const name of ['FRAMEWAY_TENANTS', 'FRAMEWAY_TENANTS_HEADER', 'FRAMEWAY_AUTH', 'FRAMEWAY_ROUTES']) {
    assert.match(read({ [name]: 'x' }).mistakes.join(), new RegExp(`^environment: ${name}: unknown variable`), name);
  }
});

test('what Kubernetes tells about a service called frameway is no mistake', () => {
  const { mistakes } = read({
    FRAMEWAY_SERVICE_HOST: '10.0.0.1',
    FRAMEWAY_SERVICE_PORT: '8800',
    FRAMEWAY_SERVICE_PORT_GRPC: '8800',
    FRAMEWAY_PORT: 'tcp://10.0.0.1:8800',
    FRAMEWAY_PORT_8800_TCP: 'tcp://10.0.0.1:8800',
    FRAMEWAY_PORT_8800_TCP_PROTO: 'tcp',
    FRAMEWAY_PORT_8800_TCP_PORT: '8800',
    FRAMEWAY_PORT_8800_TCP_ADDR: '10.0.0.1',
    FRAMEWAY_ADMIN_SERVICE_HOST: '10.0.0.2',
  });
  assert.deepEqual(mistakes, []);
  assert.equal(read({ FRAMEWAY_PORT: '8800' }).mistakes.length, 1);
});

test('proxy needs no file', () => {
  const { snapshot } = snapshotForProxy(':8800', '127.0.0.1:9001', {}, { environment: {}, memory });
  assert.ok(snapshot);
  assert.deepEqual(
    snapshot.listeners.map(({ host, port, upstream }) => ({ host, port, upstream })),
    [{ host: '', port: 8800, upstream: 'default' }],
  );
  assert.deepEqual(snapshot.upstreams.get('default')?.endpoints, [
    { address: '127.0.0.1:9001', weight: 1, maxStreams: null },
  ]);
  assert.deepEqual(snapshot.admin, { host: '127.0.0.1', port: 9901 });
  assert.deepEqual(snapshot.log, { level: 'info', access: false });
});

test("proxy's flags go before the environment", () => {
  const environment = {
    FRAMEWAY_LIMITS_MAX_CONCURRENT_STREAMS: '7',
    FRAMEWAY_LOG_LEVEL: 'debug',
    FRAMEWAY_LOG_ACCESS: 'true',
    FRAMEWAY_ADMIN: '127.0.0.1:1',
  };
  const options = { logLevel: 'warn', admin: 'off' };
  const { snapshot } = snapshotForProxy(':8800', 'unix:/run/x.sock', options, { environment, memory });
  assert.ok(snapshot);
  assert.equal(snapshot.admin, null);
  assert.deepEqual(snapshot.log, { level: 'warn', access: true });
  assert.equal(snapshot.limits.maxConcurrentStreams, 7);
});

test("proxy's mistakes name the flag", () => {
  const options = { logLevel: 'loud', admin: 'x' };
  const { mistakes } = snapshotForProxy('8800', 'engine', options, { environment: {}, memory });
  assert.deepEqual(
    mistakes.map((mistake) => mistake.split(':', 1)[0]),
    ['--from', '--to', '--log-level', '--admin'],
  );
  assert.match(mistakes[0]!, /did you mean :8800\?/);
  const back = snapshotForProxy(':8800', '127.0.0.1:8800', {}, { environment: {}, memory });
  assert.deepEqual(back.mistakes, ['--to: leads back to listeners[0] (the address of an engine)']);
});
