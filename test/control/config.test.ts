import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { configReference, loadConfig, readConfig } from '../../src/control/config.ts';
import { DEFAULT_LIMITS, DEFAULT_LISTENER, DEFAULT_UPSTREAM } from '../../src/snapshot.ts';

const MIB = 1024 * 1024;
const surroundings = { environment: {}, memory: 1024 * MIB };
const mistakes = (text: string) => readConfig(text, 'f.yaml', surroundings).mistakes;

const SMALLEST = `listeners:
  - address: 127.0.0.1:8800
    upstream: asr
upstreams:
  asr:
    endpoints: ["127.0.0.1:9001#10", "127.0.0.1:9002"]
`;

/** The one mistake of the smallest file with something more at its end. */
function mistakeIn(more: string): string {
  const found = mistakes(SMALLEST + more);
  assert.equal(found.length, 1, found.join('\n'));
  return found[0]!;
}
/** The one mistake of a file whose listener has one more line (line 4, from column 5). */
const mistakeInListener = (line: string) => {
  const found = mistakes(SMALLEST.replace('upstreams:', `    ${line}\nupstreams:`));
  assert.equal(found.length, 1, found.join('\n'));
  return found[0]!;
};
/** The one mistake of a file whose listener has this address (line 2, column 14). */
const mistakeInAddress = (address: string) => {
  const found = mistakes(SMALLEST.replace('127.0.0.1:8800', address));
  assert.equal(found.length, 1, found.join('\n'));
  return found[0]!;
};
/** The one mistake of a file with these endpoints (line 6, column 16). */
const mistakeInEndpoints = (endpoints: string) => {
  const found = mistakes(SMALLEST.replace(/endpoints: .*/, `endpoints: ${endpoints}`));
  assert.equal(found.length, 1, found.join('\n'));
  return found[0]!;
};

test('the smallest file gets every default', () => {
  const { snapshot } = readConfig(SMALLEST, 'f.yaml', surroundings);
  assert.deepEqual(snapshot, {
    listeners: [
      {
        ...DEFAULT_LISTENER,
        name: '127.0.0.1:8800',
        host: '127.0.0.1',
        port: 8800,
        upstream: 'asr',
      },
    ],
    routes: [],
    auth: new Map(),
    tenants: null,
    upstreams: new Map([
      [
        'asr',
        {
          ...DEFAULT_UPSTREAM,
          name: 'asr',
          endpoints: [
            { address: '127.0.0.1:9001', weight: 10, maxStreams: null },
            { address: '127.0.0.1:9002', weight: 1, maxStreams: null },
          ],
        },
      ],
    ]),
    limits: { ...DEFAULT_LIMITS, bufferBudget: 256 * MIB },
    drainTimeout: 30_000,
    log: { level: 'info', access: false },
    admin: { host: '127.0.0.1', port: 9901 },
    demoEngines: [],
    demoServers: [],
  });
});

test('everything that can be written arrives in the snapshot', () => {
  const text = `listeners:
  - {address: ":8800", name: main, upstream: asr, protocols: [h2], max_connections: 5, trusted_proxies: [10.0.0.0/8, "::1"]}
  - {address: "[::1]:8801", upstream: asr}
upstreams:
  asr:
    protocol: h2
    endpoints: [engine-1:9001, {address: "127.0.0.1:9002", weight: 10}, "unix:/run/x.sock#3", "[fd00::1]:1#2"]
    connect_timeout: 1s
    backoff_max: 2s
    acquire_timeout: 0
    max_connections: 3
    max_streams_per_connection: 4
  unused: {endpoints: [a:1]}
limits: {max_concurrent_streams: 7, max_output: 1MiB, idle_timeout: 1h30m, buffer_budget: 50%, replay_buffer: 0, pipeline_buffer: 1KiB}
drain_timeout: 1m
log: {level: debug, access: true}
admin: off
demo_engines: [127.0.0.1:9001]
demo_servers: [{kind: web, address: ":9003"}, {kind: echo, address: "[::1]:9004", tls: off}]
`;
  const { snapshot, mistakes: found } = readConfig(text, 'f.yaml', surroundings);
  assert.ok(snapshot, found.join('\n'));
  const [main, second] = snapshot.listeners;
  assert.deepEqual(
    [main?.host, main?.port, main?.name, main?.maxConnections, main?.trustedProxies],
    ['', 8800, 'main', 5, ['10.0.0.0/8', '::1/128']],
  );
  assert.deepEqual([second?.host, second?.name], ['::1', '[::1]:8801']);
  const asr = snapshot.upstreams.get('asr');
  assert.deepEqual(asr?.endpoints, [
    { address: 'engine-1:9001', weight: 1, maxStreams: null },
    { address: '127.0.0.1:9002', weight: 10, maxStreams: null },
    { address: 'unix:/run/x.sock', weight: 3, maxStreams: null },
    { address: '[fd00::1]:1', weight: 2, maxStreams: null },
  ]);
  assert.deepEqual(
    [asr.connectTimeout, asr.backoffMax, asr.acquireTimeout, asr.maxConnections, asr.maxStreamsPerConnection],
    [1000, 2000, 0, 3, 4],
  );
  const { limits } = snapshot;
  assert.deepEqual(
    [limits.maxConcurrentStreams, limits.maxOutput, limits.idleTimeout, limits.bufferBudget, limits.replayBuffer],
    [7, MIB, 5_400_000, 512 * MIB, 0],
  );
  assert.equal(limits.pipelineBuffer, 1024);
  assert.deepEqual([snapshot.drainTimeout, snapshot.admin], [60_000, null]);
  assert.deepEqual(snapshot.log, { level: 'debug', access: true });
  assert.deepEqual(snapshot.demoEngines, ['127.0.0.1:9001']);
  assert.deepEqual(snapshot.demoServers, [
    { kind: 'web', host: '0.0.0.0', port: 9003, tls: null },
    { kind: 'echo', host: '::1', port: 9004, tls: null },
  ]);
});

test('every limit has a key, and every default is a value that its own reader takes', () => {
  const keys = configReference().filter(({ key }) => key.startsWith('limits.'));
  assert.equal(keys.length, Object.keys(DEFAULT_LIMITS).length);
  for (const { key, fallback } of configReference()) {
    if (!/^(limits|log)\./.test(key) && !['drain_timeout', 'admin'].includes(key)) continue;
    const [section, name] = key.split('.');
    const line = name === undefined ? `${key}: ${fallback}\n` : `${section!}: {${name}: ${fallback}}\n`;
    assert.deepEqual(mistakes(SMALLEST + line), [], line);
  }
});

test('all mistakes of a file come at once, in reading order', () => {
  const text = `listeners:
  - address: 127.0.0.1:99999
    upstream: asrr
upstreams:
  asr:
    endpoints: []
    connect_timeout: 5
drain_tiemout: 3s
`;
  assert.deepEqual(mistakes(text), [
    'f.yaml:2:14: listeners[0].address: "127.0.0.1:99999" is not an address (a port is 0 to 65535)',
    'f.yaml:3:15: listeners[0].upstream: there is no upstream "asrr" (did you mean asr?)',
    'f.yaml:6:16: upstreams.asr.endpoints: the list is empty (at least one endpoint)',
    'f.yaml:7:22: upstreams.asr.connect_timeout: "5" is not a duration (with a unit, like 5s, 250ms or 1m30s)',
    'f.yaml:8:1: drain_tiemout: unknown key (did you mean drain_timeout?)',
  ]);
});

test('an empty file lacks what is required', () => {
  const missing = [
    'f.yaml:1:1: listeners: is missing (list of listener: addresses that accept clients)',
    'f.yaml:1:1: upstreams: is missing (map of names to upstream: groups of engines)',
  ];
  assert.deepEqual(mistakes(''), missing);
  assert.deepEqual(mistakes('# nothing\n'), missing);
});

test('a file that is no map is refused', () => {
  assert.deepEqual(mistakes('hello\n'), ['f.yaml:1:1: YAML: "hello" is not a map (key: value, one a line)']);
});

test('every YAML syntax error is reported where it is', () => {
  assert.deepEqual(mistakes('a: 1\n\tb: 2\n'), ['f.yaml:2:1: YAML: Tabs are not allowed as indentation']);
  assert.deepEqual(mistakes('a: b: c'), ['f.yaml:1:4: YAML: Nested mappings are not allowed in compact mappings']);
  assert.deepEqual(mistakes('a: 1\n---\nb: 2\n'), [
    'f.yaml:2:1: YAML: a second document begins here (one document a file)',
  ]);
  assert.deepEqual(mistakes('a: !thing 1\n'), ['f.yaml:1:4: YAML: Unresolved tag: !thing']);
});

test('a key that is written twice is reported with its first line', () => {
  assert.equal(
    mistakeInListener('upstream: asr'),
    'f.yaml:4:5: listeners[0].upstream: is written twice (first in line 3)',
  );
});

test('an unknown key gets the nearest known one, or all of them', () => {
  assert.equal(
    mistakeInListener('maxConnections: 1'),
    'f.yaml:4:5: listeners[0].maxConnections: unknown key (did you mean max_connections?)',
  );
  assert.equal(mistakeIn('log: {colour: 1}'), 'f.yaml:7:7: log.colour: unknown key (known: level, access)');
  assert.match(mistakeIn('__proto__: 1'), /^f\.yaml:7:1: __proto__: unknown key/);
});

test('addresses to listen on are checked, with what was probably meant', () => {
  const form = 'host:port, [::1]:port, or :port for all interfaces';
  const at = 'f.yaml:2:14: listeners[0].address:';
  assert.equal(mistakeInAddress('"8800"'), `${at} "8800" is not an address (did you mean :8800? ${form})`);
  assert.equal(mistakeInAddress('localhost'), `${at} "localhost" is not an address (${form})`);
  assert.equal(mistakeInAddress('"::1:8800"'), `${at} "::1:8800" is not an address (did you mean [::1]:8800? ${form})`);
  assert.equal(mistakeInAddress('127.0.0.256:80'), `${at} "127.0.0.256:80" is not an address (${form})`);
  assert.equal(mistakeInAddress('"[::g]:80"'), `${at} "[::g]:80" is not an address (IPv6 goes between brackets)`);
  assert.equal(mistakeInAddress('a b:80'), `${at} "a b:80" is not an address (${form})`);
  assert.equal(mistakeInAddress(''), `f.yaml:2:14: listeners[0].address: nothing is not an address (${form})`);
  assert.equal(mistakeInAddress('[1, 2]'), `${at} a list is not an address (${form})`);
});

test('endpoints are checked each', () => {
  const at = 'f.yaml:6:17: upstreams.asr.endpoints[0]:';
  const form = 'host:port, host:port#weight or unix:/path';
  assert.equal(
    mistakeInEndpoints('["a:1#0"]'),
    `${at} "a:1#0" is not an endpoint (a weight is a whole number, 1 to 99999)`,
  );
  assert.equal(mistakeInEndpoints('["a:0"]'), `${at} "a:0" is not an endpoint (a port is 1 to 65535)`);
  assert.equal(mistakeInEndpoints('[":80"]'), `${at} ":80" is not an endpoint (${form})`);
  assert.equal(
    mistakeInEndpoints('["unix:run/x"]'),
    `${at} "unix:run/x" is not an endpoint (a socket has an absolute path: unix:/run/engine.sock)`,
  );
  assert.match(mistakeInEndpoints(`["unix:/${'x'.repeat(104)}"]`), /the path of a socket has at most 103 bytes/);
  assert.equal(
    mistakeInEndpoints('[{address: "a:1", weight: 0}]'),
    'f.yaml:6:42: upstreams.asr.endpoints[0].weight: "0" is too small (1 to 99999)',
  );
  assert.equal(
    mistakeInEndpoints('[{weight: 1}]'),
    `f.yaml:6:17: upstreams.asr.endpoints[0].address: is missing (address: \`host:port\` or \`unix:/path\`)`,
  );
  assert.equal(
    mistakeInEndpoints('a:1'),
    'f.yaml:6:16: upstreams.asr.endpoints: "a:1" is not a list (did you mean ["a:1"]?)',
  );
});

test('an endpoint that is listed twice is reported, whatever its form', () => {
  assert.equal(
    mistakeInEndpoints('["a:1#3", {address: "a:1"}]'),
    'f.yaml:6:26: upstreams.asr.endpoints[1]: a:1 is listed twice (first as upstreams.asr.endpoints[0])',
  );
});

test('an endpoint that leads back to a listener is reported', () => {
  const found = 'f.yaml:6:17: upstreams.asr.endpoints[0]: leads back to listeners[0] (the address of an engine)';
  assert.equal(mistakeInEndpoints('["127.0.0.1:8800"]'), found);
  const all = SMALLEST.replace('127.0.0.1:8800', ':8800').replace(/endpoints: .*/, 'endpoints: ["localhost:8800"]');
  assert.deepEqual(mistakes(all), [found]);
});

test('no two sockets of the gateway may want one address', () => {
  const second = (address: string) =>
    SMALLEST.replace('upstreams:', `  - address: "${address}"\n    upstream: asr\nupstreams:`);
  assert.deepEqual(mistakes(second('127.0.0.1:8800')), [
    'f.yaml:4:14: listeners[1].address: 127.0.0.1:8800 is already taken by listeners[0].address',
  ]);
  assert.deepEqual(mistakes(second(':8800')), [
    'f.yaml:4:14: listeners[1].address: :8800 is already taken by listeners[0].address',
  ]);
  assert.deepEqual(mistakes(second('127.0.0.2:8800')), []);
  assert.deepEqual(mistakes(second('127.0.0.1:0')), []);
  assert.equal(
    mistakeIn('admin: 127.0.0.1:8800'),
    'f.yaml:7:8: admin: 127.0.0.1:8800 is already taken by listeners[0].address',
  );
  assert.equal(
    mistakeIn('demo_engines: [127.0.0.1:9901]'),
    'f.yaml:7:16: demo_engines[0]: 127.0.0.1:9901 is already taken by admin',
  );
  assert.equal(
    mistakeIn('demo_engines: ["127.0.0.1:9003"]\ndemo_servers: [{kind: web, address: "127.0.0.1:9003"}]'),
    'f.yaml:8:37: demo_servers[0].address: 127.0.0.1:9003 is already taken by demo_engines[0]',
  );
});

test('a demo server is of a kind that there is, and its certificate has its key', () => {
  assert.equal(
    mistakeIn('demo_servers: [{kind: ecko, address: ":1"}]'),
    'f.yaml:7:23: demo_servers[0].kind: "ecko" is not known here (did you mean echo?)',
  );
  const folder = fileURLToPath(new URL('../../fixtures/tls/', import.meta.url));
  const withKey = (key: string) =>
    readConfig(
      `${SMALLEST}demo_servers: [{kind: web, address: ":1", tls: {certificate: raw.pem, key: ${key}}}]`,
      join(folder, 'f.yaml'),
      surroundings,
    );
  const pem = (name: string) => readFileSync(join(folder, name), 'utf8');
  const { snapshot } = withKey('raw.key');
  assert.deepEqual(snapshot?.demoServers[0]?.tls, { certificate: pem('raw.pem'), key: pem('raw.key') });
  assert.match(
    withKey('localhost.key').mistakes.join(),
    /demo_servers\[0\]\.tls\.key: is not the key of the certificate /,
  );
});

test('names of listeners are unique, and names are plain', () => {
  const text = `listeners:
  - {address: ":1", name: main, upstream: a}
  - {address: ":2", name: main, upstream: a}
upstreams: {a: {endpoints: [x:1]}, b/c: {endpoints: [x:1]}}
`;
  assert.deepEqual(mistakes(text), [
    'f.yaml:3:5: listeners[1]: main is listed twice (first as listeners[0])',
    'f.yaml:4:36: upstreams.b/c: is not a name (letters, digits, _ . and -, at most 63)',
  ]);
});

test('protocols and trusted proxies are checked each', () => {
  assert.equal(
    mistakeInListener('protocols: [h3]'),
    'f.yaml:4:17: listeners[0].protocols[0]: "h3" is not known here (did you mean h2?)',
  );
  assert.equal(
    mistakeInListener('protocols: []'),
    'f.yaml:4:16: listeners[0].protocols: the list is empty (at least one h2 | http1 | tls | tcp)',
  );
  for (const block of ['10.0.0.0/33', '10.0.0/8', '"::1/129"', 'localhost', '10.0.0.0/']) {
    const found = mistakeInListener(`trusted_proxies: [${block}]`);
    assert.ok(found.startsWith('f.yaml:4:23: listeners[0].trusted_proxies[0]: '), found);
    assert.ok(found.endsWith(' is not a CIDR block (like 10.0.0.0/8, ::1/128 or 192.0.2.7)'), found);
  }
});

test('numbers, durations and sizes stay inside their bounds', () => {
  assert.equal(
    mistakeInListener('max_connections: 0'),
    'f.yaml:4:22: listeners[0].max_connections: "0" is too small (1 to 1000000)',
  );
  assert.equal(
    mistakeInListener('max_connections: 0x10'),
    'f.yaml:4:22: listeners[0].max_connections: "0x10" is not a whole number (1 to 1000000)',
  );
  assert.equal(
    mistakeIn('drain_timeout: 30'),
    'f.yaml:7:16: drain_timeout: "30" is not a duration (with a unit, like 5s, 250ms or 1m30s)',
  );
  assert.equal(mistakeIn('drain_timeout: 25h'), 'f.yaml:7:16: drain_timeout: "25h" is too large (0s to 1d)');
  assert.equal(
    mistakeIn('limits: {max_output: 1KiB}'),
    'f.yaml:7:22: limits.max_output: "1KiB" is too small (64KiB to 64MiB)',
  );
  for (const [written, flaw] of [
    ['1023', 'too small'],
    ['17MiB', 'too large'],
  ] as const) {
    assert.equal(
      mistakeIn(`limits: {pipeline_buffer: ${written}}`),
      `f.yaml:7:27: limits.pipeline_buffer: "${written}" is ${flaw} (1KiB to 16MiB)`,
    );
  }
  assert.equal(
    mistakeIn('limits: {max_output: 1MB}'),
    'f.yaml:7:22: limits.max_output: "1MB" is not a size (like 64KiB, 1MiB or a number of bytes)',
  );
  assert.equal(
    mistakeIn('limits: {buffer_budget: 101%}'),
    'f.yaml:7:25: limits.buffer_budget: "101%" is too large (4MiB to 100%)',
  );
});

test('limits that contradict each other are reported at the one that was written', () => {
  assert.equal(
    mistakeIn('limits: {max_header_fields_hard: 199}'),
    'f.yaml:7:34: limits.max_header_fields_hard: 199 is less than max_header_fields (200 or more)',
  );
  assert.equal(
    mistakeIn('limits: {max_queued_answers: 1001}'),
    'f.yaml:7:30: limits.max_queued_answers: 1001 is more than max_queued_answers_hard (1000 or less)',
  );
  assert.equal(
    mistakeIn('limits: {buffer_budget: 4MiB, pipeline_buffer: 5MiB}'),
    'f.yaml:7:25: limits.buffer_budget: 4MiB is less than pipeline_buffer (5MiB or more)',
  );
  assert.equal(
    mistakeIn('limits: {buffer_budget: 8MiB, max_output: 9MiB}'),
    'f.yaml:7:25: limits.buffer_budget: 8MiB is less than max_output (9MiB or more)',
  );
});

test('log and admin are checked', () => {
  assert.equal(
    mistakeIn('log: {level: warning}'),
    'f.yaml:7:14: log.level: "warning" is not known here (known: trace, debug, info, warn, error, fatal, silent)',
  );
  assert.equal(mistakeIn('log: {access: yes}'), 'f.yaml:7:15: log.access: "yes" is not a boolean (true or false)');
  assert.match(mistakeIn('admin: on'), /^f\.yaml:7:8: admin: "on" is not an address \(.*; or off\)$/);
  assert.match(mistakeIn('log: debug'), /^f\.yaml:7:6: log: "debug" is not a map/);
});

test('aliases and merge keys are understood, and what a map says itself wins', () => {
  const text = `listeners: [{address: ":1", upstream: a}]
upstreams:
  a: &base {endpoints: &e [x:1], connect_timeout: 1s, max_connections: 2}
  b: {<<: *base, max_connections: 3}
  c: {endpoints: *e, <<: [{connect_timeout: 2s}, *base]}
`;
  const { snapshot, mistakes: found } = readConfig(text, 'f.yaml', surroundings);
  assert.ok(snapshot, found.join('\n'));
  const [b, c] = [snapshot.upstreams.get('b'), snapshot.upstreams.get('c')];
  assert.deepEqual([b?.connectTimeout, b?.maxConnections, b?.endpoints.length], [1000, 3, 1]);
  assert.deepEqual([c?.connectTimeout, c?.maxConnections], [2000, 2]);
});

test('aliases that lead nowhere or in circles are reported', () => {
  assert.equal(mistakeIn('limits: {<<: *nope}'), 'f.yaml:7:14: limits: no anchor &nope stands before this');
  assert.equal(mistakeIn('limits: &l {<<: *l}'), 'f.yaml:7:17: limits: *l contains itself');
  assert.equal(mistakeIn('limits: {<<: 3}'), 'f.yaml:7:14: limits: << takes a map, or a list of maps');
});

test('a thousandfold nesting of aliases is read in no time', () => {
  const lines = ['a0: &a0 [x]'];
  for (let i = 1; i < 30; i++)
    lines.push(
      `a${i}: &a${i} [${Array<string>(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  assert.equal(mistakes(`${SMALLEST}${lines.join('\n')}\n`).length, 30);
});

test('a file that cannot be read is a mistake', () => {
  assert.deepEqual(loadConfig('/nowhere/f.yaml', surroundings).mistakes, [
    '/nowhere/f.yaml: cannot be read: there is no such file',
  ]);
});
