import assert from 'node:assert/strict';
import { test } from 'node:test';
import { camel } from '../../src/control/schema.ts';
import { upstream } from '../../src/control/upstream-settings.ts';
import { BALANCE_POLICIES, DEFAULT_UPSTREAM, type UpstreamSpec } from '../../src/snapshot.ts';
import { mistakeInUpstream, upstreamWith } from './one-upstream.ts';

const BAD_DURATION = 'is not a duration (with a unit, like 5s, 250ms or 1m30s';

test('an upstream that says nothing has the defaults of the snapshot', () => {
  assert.deepEqual(upstreamWith(''), {
    ...DEFAULT_UPSTREAM,
    name: 'asr',
    endpoints: [{ address: 'a:1', weight: 1, maxStreams: null }],
  });
});

test('every field of the snapshot has a key, and every key a field', () => {
  const keys = Object.keys(upstream('.').inside!.fields).map(camel);
  assert.deepEqual(new Set(keys), new Set([...Object.keys(DEFAULT_UPSTREAM), 'endpoints']));
});

test('every default, written down, is what leaving it out is', () => {
  for (const [key, { fallback }] of Object.entries(upstream('.').inside!.fields)) {
    if (typeof fallback !== 'string' || fallback === '') continue;
    assert.deepEqual(upstreamWith(`${key}: ${fallback}`), upstreamWith(''), `${key}: ${fallback}`);
  }
});

/** What one writes, the field that it sets, and its value in the snapshot. */
const VALUES: readonly (readonly [string, keyof UpstreamSpec, unknown])[] = [
  ['protocol: http1', 'protocol', 'http1'],
  ['protocol: tcp', 'protocol', 'tcp'],
  ['protocol: same', 'protocol', 'same'],
  ['proxy_protocol: off', 'proxyProtocol', 'off'],
  ['resolve_interval: 1m', 'resolveInterval', 60_000],
  ['mode: loose', 'mode', 'loose'],
  ['overflow_factor: 1.5', 'overflowFactor', 1.5],
  ['exclusive: true', 'exclusive', true],
  ['min_connections: 2', 'minConnections', 2],
  ['max_connections: 3', 'maxConnections', 3],
  ['max_streams_per_connection: 4', 'maxStreamsPerConnection', 4],
  ['max_streams: 5', 'maxStreams', 5],
  ['max_streams: off', 'maxStreams', 0],
  ['connect_timeout: 1s', 'connectTimeout', 1000],
  ['backoff_max: 2s', 'backoffMax', 2000],
  ['acquire_timeout: 0', 'acquireTimeout', 0],
  ['max_pending: 0', 'maxPending', 0],
  ['max_active: 6', 'maxActive', 6],
  ['max_active: off', 'maxActive', 0],
  ['idle_timeout: 1m', 'idleTimeout', 60_000],
  ['max_age: 1h', 'maxAge', 3_600_000],
  ['max_age: off', 'maxAge', 0],
  ['affinity_wait: 0', 'affinityWait', 0],
  ['slow_start: 30s', 'slowStart', 30_000],
  ['slow_start: off', 'slowStart', 0],
  ['panic_threshold: 12.5%', 'panicThreshold', 0.125],
  ['panic_threshold: off', 'panicThreshold', 0],
  ['keepalive: {interval: 10s}', 'keepalive', { interval: 10_000, timeout: DEFAULT_UPSTREAM.keepalive.timeout }],
  ['keepalive: {timeout: 1s}', 'keepalive', { interval: DEFAULT_UPSTREAM.keepalive.interval, timeout: 1000 }],
  ['tls: off', 'tls', null],
  ['affinity: off', 'affinity', null],
  ['health: off', 'health', null],
  ['outlier: off', 'outlier', null],
];

test('what is written arrives in the snapshot, and changes nothing else', () => {
  for (const [line, field, value] of VALUES) {
    assert.deepEqual(upstreamWith(line), { ...upstreamWith(''), [field]: value }, line);
  }
});

test('what is out of bounds or of another kind is reported with what would be right', () => {
  const cases: Readonly<Record<string, string>> = {
    'protocol: http': '15: protocol: "http" is not known here (did you mean http1?)',
    'protocol: h3': '15: protocol: "h3" is not known here (did you mean h2?)',
    'proxy_protocol: on': '21: proxy_protocol: "on" is not known here (known: off, v1, v2)',
    'resolve_interval: 1ms': '23: resolve_interval: "1ms" is too small (1s to 1d)',
    'mode: lose': '11: mode: "lose" is not known here (did you mean loose?)',
    'overflow_factor: 0.5': '22: overflow_factor: "0.5" is too small (1 to 1000)',
    'overflow_factor: 5x': '22: overflow_factor: "5x" is not a number (1 to 1000)',
    'exclusive: 1': '16: exclusive: "1" is not a boolean (true or false)',
    'min_connections: -1': '22: min_connections: "-1" is too small (0 to 10000)',
    'max_connections: 0': '22: max_connections: "0" is too small (1 to 10000)',
    'max_streams_per_connection: off': '33: max_streams_per_connection: "off" is not a whole number (1 to 1000000)',
    'max_streams: 0': '18: max_streams: "0" is too small (1 to 1000000; or off)',
    'max_streams: of': '18: max_streams: "of" is not a whole number (1 to 1000000; or off)',
    'connect_timeout: 5': `22: connect_timeout: "5" ${BAD_DURATION})`,
    'backoff_max: 2h': '18: backoff_max: "2h" is too large (100ms to 1h)',
    'acquire_timeout: 2h': '22: acquire_timeout: "2h" is too large (0s to 1h)',
    'max_pending: off': '18: max_pending: "off" is not a whole number (0 to 1000000)',
    'max_active: 0': '17: max_active: "0" is too small (1 to 1000000; or off)',
    'idle_timeout: 8d': '19: idle_timeout: "8d" is too large (100ms to 7d)',
    'max_age: soon': `14: max_age: "soon" ${BAD_DURATION}; or off)`,
    'max_age: 1ms': '14: max_age: "1ms" is too small (1s to 365d; or off)',
    'affinity_wait: 2h': '20: affinity_wait: "2h" is too large (0s to 1h)',
    'slow_start: 2d': '17: slow_start: "2d" is too large (100ms to 1d; or off)',
    'panic_threshold: 0.5': '22: panic_threshold: "0.5" is not a percentage (like 50%; or off)',
    'panic_threshold: 101%': '22: panic_threshold: "101%" is too large (0% to 100%; or off)',
    'keepalive: 30s': '16: keepalive: "30s" is not a map (key: value, one a line)',
    'keepalive: {interval: 1ms}': '27: keepalive.interval: "1ms" is too small (100ms to 1d)',
    'keepalive: {timeout: 2h}': '26: keepalive.timeout: "2h" is too large (100ms to 1h)',
  };
  for (const [line, mistake] of Object.entries(cases)) assert.equal(mistakeInUpstream(line), mistake);
});

test('connections that are kept are among those that are allowed', () => {
  assert.equal(
    mistakeInUpstream('min_connections: 9'),
    '22: min_connections: 9 is more than max_connections (8 or less)',
  );
  assert.equal(
    mistakeInUpstream('max_connections: 2\n    min_connections: 3'),
    '22: max_connections: 2 is less than min_connections (3 or more)',
  );
  assert.equal(upstreamWith('max_connections: 2\n    min_connections: 2').minConnections, 2);
});

test('a connection that carries one call has more beside it, unless that is said', () => {
  assert.equal(upstreamWith('').maxConnections, null);
  for (const line of ['protocol: http1', 'protocol: tcp', 'protocol: same']) {
    assert.equal(upstreamWith(`${line}\n    min_connections: 800`).minConnections, 800, line);
    assert.equal(
      mistakeInUpstream(`min_connections: 801\n    ${line}`),
      '22: min_connections: 801 is more than max_connections (800 or less)',
    );
  }
});

test('engines are told who the client is only where a connection has one client', () => {
  for (const protocol of ['tcp', 'same']) {
    for (const version of ['v1', 'v2']) {
      const { proxyProtocol } = upstreamWith(`protocol: ${protocol}\n    proxy_protocol: ${version}`);
      assert.equal(proxyProtocol, version);
    }
  }
  assert.equal(
    mistakeInUpstream('proxy_protocol: v2'),
    '21: proxy_protocol: connections of h2 serve many clients (protocol: tcp or same)',
  );
  assert.equal(
    mistakeInUpstream('proxy_protocol: v1\n    protocol: http1'),
    '21: proxy_protocol: connections of http1 serve many clients (protocol: tcp or same)',
  );
});

test('a key outside its section is told where it belongs', () => {
  assert.equal(mistakeInUpstream('certificate: c.pem'), '5: certificate: unknown key (did you mean tls.certificate?)');
  assert.equal(
    mistakeInUpstream('interval: 5s'),
    '5: interval: unknown key (did you mean keepalive.interval or health.interval or outlier.interval?)',
  );
  assert.equal(
    mistakeInUpstream('max_conections: 5'),
    '5: max_conections: unknown key (did you mean max_connections?)',
  );
});

test('endpoints have weights and caps of their own, in either form', () => {
  const { endpoints } = upstreamWith(
    '',
    'f.yaml',
    '["10.0.0.1:1#10", "asr.internal:2#3", {address: "asr.internal:3", weight: 5, max_streams: 8}, "unix:/run/asr.sock", {address: "b:1", max_streams: off}]',
  );
  assert.deepEqual(endpoints, [
    { address: '10.0.0.1:1', weight: 10, maxStreams: null },
    { address: 'asr.internal:2', weight: 3, maxStreams: null },
    { address: 'asr.internal:3', weight: 5, maxStreams: 8 },
    { address: 'unix:/run/asr.sock', weight: 1, maxStreams: null },
    { address: 'b:1', weight: 1, maxStreams: 0 },
  ]);
  assert.equal(
    mistakeInUpstream('', 'f.yaml', '[{address: "a:1", max_streams: 0}]'),
    '47: endpoints[0].max_streams: "0" is too small (1 to 1000000; or off)',
  );
});

const { balance } = DEFAULT_UPSTREAM;

test('a policy alone is enough for balancing, and the rest has its defaults', () => {
  for (const policy of BALANCE_POLICIES) {
    assert.deepEqual(upstreamWith(`balance: ${policy}`).balance, { ...balance, policy });
    assert.deepEqual(upstreamWith(`balance: {policy: ${policy}}`).balance, { ...balance, policy });
  }
  const line = 'balance: {policy: consistent_hash, key: "header:X-Session", virtual_nodes: 7, max_load: 1}';
  assert.deepEqual(upstreamWith(line).balance, {
    ...balance,
    policy: 'consistent_hash',
    key: { source: 'header', name: 'x-session' },
    virtualNodes: 7,
    maxLoad: 1,
  });
  assert.equal(upstreamWith('balance: {max_load: off}').balance.maxLoad, 0);
  const { maxFails, failTimeout } = upstreamWith('balance: {max_fails: 1, fail_timeout: 1m}').balance;
  assert.deepEqual([maxFails, failTimeout], [1, 60_000]);
});

test('policies may have the names that the seed systems give them', () => {
  assert.equal(upstreamWith('balance: minConn').balance.policy, 'least_request');
  assert.equal(upstreamWith('balance: {policy: randomWeight}').balance.policy, 'weighted_random');
});

test('mistakes in balancing are reported where they were written', () => {
  const cases: Readonly<Record<string, string>> = {
    'balance: round_robbin': '14: balance: "round_robbin" is not known here (did you mean round_robin?)',
    'balance: constructor': `14: balance: "constructor" is not known here (known: ${BALANCE_POLICIES.join(', ')})`,
    'balance: {policy: toString}': `23: balance.policy: "toString" is not known here (known: ${BALANCE_POLICIES.join(', ')})`,
    'balance: [random]': `14: balance: a list is not known here (known: ${BALANCE_POLICIES.join(', ')})`,
    'balance: {virtual_nodes: 0}': '30: balance.virtual_nodes: "0" is too small (1 to 10000)',
    'balance: {max_load: 0.99}': '25: balance.max_load: "0.99" is too small (1 to 1000; or off)',
    'balance: {max_fails: 0}': '26: balance.max_fails: "0" is too small (1 to 1000000)',
    'balance: {fail_timeout: 10}': `29: balance.fail_timeout: "10" ${BAD_DURATION})`,
    'balance: {key: "header:"}': '20: balance.key: "header:" is not a key (a header has a name: header:x-session)',
    'balance: {polcy: random}': '15: balance.polcy: unknown key (did you mean policy?)',
  };
  for (const [line, mistake] of Object.entries(cases)) assert.equal(mistakeInUpstream(line), mistake);
});

test('a key of calls is a header, a cookie, the path or the client', () => {
  const cases = {
    'header:X-Call-Id': { source: 'header', name: 'x-call-id' },
    'metadata:call-id': { source: 'header', name: 'call-id' },
    'cookie:SID': { source: 'cookie', name: 'SID' },
    path: { source: 'path', name: '' },
    client: { source: 'client', name: '' },
  };
  for (const [written, key] of Object.entries(cases)) {
    assert.deepEqual(upstreamWith(`affinity: "${written}"`).affinity, { key, ttl: 600_000, maxKeys: 100_000 });
  }
  const line = 'affinity: {key: "cookie:sid", ttl: 1h, max_keys: 5}';
  assert.deepEqual(upstreamWith(line).affinity, { key: { source: 'cookie', name: 'sid' }, ttl: 3_600_000, maxKeys: 5 });
});

test('a key that could never be found is a mistake', () => {
  const form = 'header:NAME, cookie:NAME, path or client';
  const cases: Readonly<Record<string, string>> = {
    header: 'a header has a name: header:x-session',
    'cookie:': 'a cookie has a name: cookie:x-session',
    'header::authority': '":authority" is no name of a header',
    'header:x y': '"x y" is no name of a header',
    'path:/a': 'path has no name: just path',
    'x-session': form,
    of: form,
  };
  for (const [written, right] of Object.entries(cases)) {
    assert.equal(
      mistakeInUpstream(`affinity: "${written}"`),
      `15: affinity: "${written}" is not a key (${right}; or off)`,
    );
    assert.equal(
      mistakeInUpstream(`affinity: {key: "${written}"}`),
      `21: affinity.key: "${written}" is not a key (${right})`,
    );
  }
  assert.match(mistakeInUpstream('affinity: {ttl: 1m}'), /^15: affinity\.key: is missing \(key: `header:NAME`, /);
  assert.equal(mistakeInUpstream('affinity: {key: path, ttl: 0}'), '32: affinity.ttl: "0" is too small (1s to 7d)');
  assert.equal(
    mistakeInUpstream('affinity: {key: path, max_keys: 0}'),
    '37: affinity.max_keys: "0" is too small (1 to 10000000)',
  );
});

const HEALTH = {
  service: '',
  watch: false,
  path: '/healthz',
  interval: 5000,
  timeout: 3000,
  jitter: 0.1,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
};

test('a kind alone is enough for health, and the rest has its defaults', () => {
  for (const kind of ['grpc', 'http', 'tcp']) {
    assert.deepEqual(upstreamWith(`health: ${kind}`).health, { kind, ...HEALTH });
    assert.deepEqual(upstreamWith(`health: {kind: ${kind}}`).health, { kind, ...HEALTH });
  }
  assert.deepEqual(
    upstreamWith('health: {kind: grpc, service: asr.Recognizer, watch: true, interval: 1s, timeout: 1s, jitter: 0%}')
      .health,
    { ...HEALTH, kind: 'grpc', service: 'asr.Recognizer', watch: true, interval: 1000, timeout: 1000, jitter: 0 },
  );
  assert.deepEqual(
    upstreamWith('health: {kind: http, path: "/up?full=1", unhealthy_threshold: 1, healthy_threshold: 9}').health,
    { ...HEALTH, kind: 'http', path: '/up?full=1', unhealthyThreshold: 1, healthyThreshold: 9 },
  );
  assert.equal(upstreamWith('health: {kind: grpc, service: ""}').health?.service, '');
});

test('endpoints are asked in what they speak', () => {
  const http1 = 'there is no gRPC over http1 (http or tcp)';
  assert.equal(mistakeInUpstream('health: grpc\n    protocol: http1'), `13: health: ${http1}`);
  assert.equal(mistakeInUpstream('health: {kind: grpc}\n    protocol: http1'), `20: health.kind: ${http1}`);
  assert.equal(mistakeInUpstream('health: grpc\n    protocol: tcp'), '13: health: there is no gRPC over tcp (tcp)');
  assert.equal(upstreamWith('health: grpc\n    protocol: same').health?.kind, 'grpc');
  assert.equal(upstreamWith('health: http\n    protocol: http1').health?.kind, 'http');
  assert.equal(upstreamWith('health: tcp\n    protocol: tcp').health?.kind, 'tcp');
});

test('mistakes in health checks are reported where they were written', () => {
  const cases: Readonly<Record<string, string>> = {
    'health: grcp': '13: health: "grcp" is not known here (did you mean grpc?; or off)',
    'health: on': '13: health: "on" is not known here (known: grpc, http, tcp; or off)',
    'health:': '12: health: nothing is not known here (known: grpc, http, tcp; or off)',
    'health: {interval: 5s}':
      '13: health.kind: is missing (grpc | http | tcp: grpc.health.v1, a GET, or a connect alone)',
    'health: {kind: udp}': '20: health.kind: "udp" is not known here (known: grpc, http, tcp)',
    'health: {kind: grpc, service: "a b"}':
      '35: health.service: "a b" is not a service (like asr.Recognizer; empty: the whole server)',
    'health: {kind: http, path: up}': '32: health.path: "up" is not a path (like /healthz)',
    'health: {kind: http, path: "/a b"}': '32: health.path: "/a b" is not a path (like /healthz)',
    'health: {kind: tcp, interval: 1ms}': '35: health.interval: "1ms" is too small (100ms to 1d)',
    'health: {kind: tcp, timeout: 0}': '34: health.timeout: "0" is too small (1ms to 1h)',
    'health: {kind: tcp, timeout: 6s}': '34: health.timeout: 6s is more than interval (5s or less)',
    'health: {kind: tcp, interval: 1s}': '35: health.interval: 1s is less than timeout (3s or more)',
    'health: {kind: tcp, jitter: 1}': '33: health.jitter: "1" is not a percentage (like 50%)',
    'health: {kind: tcp, unhealthy_threshold: 0}': '46: health.unhealthy_threshold: "0" is too small (1 to 1000)',
    'health: {kind: tcp, healthy_threshold: 0}': '44: health.healthy_threshold: "0" is too small (1 to 1000)',
    'health: {kind: http, watch: true}': '33: health.watch: there is no Watch in http (kind: grpc)',
    'health: {kind: tcp, service: asr}': '34: health.service: there are no services in tcp (kind: grpc)',
  };
  for (const [line, mistake] of Object.entries(cases)) assert.equal(mistakeInUpstream(line), mistake);
});

const OUTLIER = {
  consecutiveFailures: 5,
  failureShare: 0,
  minimumRequests: 20,
  interval: 10_000,
  baseEjection: 10_000,
  maxEjection: 300_000,
  maxEjected: 0.5,
};

test('outliers are looked for on demand', () => {
  assert.deepEqual(upstreamWith('outlier: on').outlier, OUTLIER);
  assert.deepEqual(upstreamWith('outlier: {}').outlier, OUTLIER);
  const line = `outlier:
      consecutive_failures: 1
      failure_share: 7%
      minimum_requests: 2
      interval: 3s
      base_ejection: 4s
      max_ejection: 5s
      max_ejected: 100%`;
  assert.deepEqual(upstreamWith(line).outlier, {
    consecutiveFailures: 1,
    failureShare: 0.07,
    minimumRequests: 2,
    interval: 3000,
    baseEjection: 4000,
    maxEjection: 5000,
    maxEjected: 1,
  });
});

test('mistakes in outlier detection are reported where they were written', () => {
  const cases: Readonly<Record<string, string>> = {
    'outlier: yes': '14: outlier: "yes" is not a map (key: value, one a line; or on or off)',
    'outlier: {consecutive_failures: 0}': '37: outlier.consecutive_failures: "0" is too small (1 to 1000000)',
    'outlier: {failure_share: 0%}': '30: outlier.failure_share: "0%" is too small (1% to 100%; or off)',
    'outlier: {minimum_requests: 0}': '33: outlier.minimum_requests: "0" is too small (1 to 1000000)',
    'outlier: {interval: 1ms}': '25: outlier.interval: "1ms" is too small (100ms to 1d)',
    'outlier: {base_ejection: 1ms}': '30: outlier.base_ejection: "1ms" is too small (100ms to 1d)',
    'outlier: {max_ejection: 2d}': '29: outlier.max_ejection: "2d" is too large (100ms to 1d)',
    'outlier: {max_ejection: 9s}': '29: outlier.max_ejection: 9s is less than base_ejection (10s or more)',
    'outlier: {max_ejected: 0.5}': '28: outlier.max_ejected: "0.5" is not a percentage (like 50%)',
  };
  for (const [line, mistake] of Object.entries(cases)) assert.equal(mistakeInUpstream(line), mistake);
});
