import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listener } from '../../src/control/listener-settings.ts';
import { camel } from '../../src/control/schema.ts';
import { DEFAULT_LISTENER, type ListenerSpec } from '../../src/snapshot.ts';
import { listenerWith, mistakeInListener, read } from './one-upstream.ts';

const BAD_DURATION = 'is not a duration (with a unit, like 5s, 250ms or 1m30s';

test('a listener that says nothing has the defaults of the snapshot', () => {
  assert.deepEqual(listenerWith(''), { ...DEFAULT_LISTENER, name: ':1', host: '', port: 1, upstream: 'asr' });
});

test('every field of the snapshot has a key, and every key a field', () => {
  const keys = Object.keys(listener('.').inside!.fields).map(camel);
  assert.deepEqual(new Set(keys), new Set([...Object.keys(DEFAULT_LISTENER), 'address', 'name', 'upstream']));
});

test('every default, written down, is what leaving it out is', () => {
  for (const [key, { fallback }] of Object.entries(listener('.').inside!.fields)) {
    if (typeof fallback !== 'string') continue;
    assert.deepEqual(listenerWith(`${key}: ${fallback}`), listenerWith(''), `${key}: ${fallback}`);
  }
  assert.deepEqual(listenerWith('protocols: [h2, http1, tls, tcp]'), listenerWith(''));
});

/** What one writes, the field that it sets, and its value in the snapshot. */
const VALUES: readonly (readonly [string, keyof ListenerSpec, unknown])[] = [
  ['name: main', 'name', 'main'],
  ['protocols: [http1, h2]', 'protocols', ['http1', 'h2']],
  ['sniff_timeout: 3s', 'sniffTimeout', 3000],
  ['server_first_delay: 250ms', 'serverFirstDelay', 250],
  ['server_first_delay: off', 'serverFirstDelay', 0],
  ['proxy_protocol: off', 'proxyProtocol', 'off'],
  ['tls: []', 'tls', []],
  ['allow: [10.0.0.0/8, "::1"]', 'allow', ['10.0.0.0/8', '::1/128']],
  ['deny: [192.0.2.7]', 'deny', ['192.0.2.7/32']],
  ['tunnel_idle_timeout: 5m', 'tunnelIdleTimeout', 300_000],
  ['tunnel_idle_timeout: off', 'tunnelIdleTimeout', 0],
  ['connect: off', 'connect', null],
  ['websocket: false', 'websocket', false],
  ['grpc_web: off', 'grpcWeb', null],
  ['grpc_web: on', 'grpcWeb', { allowOrigins: [] }],
  ['grpc_web: {}', 'grpcWeb', { allowOrigins: [] }],
  ['max_connections: 5', 'maxConnections', 5],
  ['trusted_proxies: [10.0.0.0/8]', 'trustedProxies', ['10.0.0.0/8']],
];

test('what is written arrives in the snapshot, and changes nothing else', () => {
  for (const [line, field, value] of VALUES) {
    assert.deepEqual(listenerWith(line), { ...listenerWith(''), [field]: value }, line);
  }
});

test('what is out of bounds or of another kind is reported with what would be right', () => {
  const block = 'is not a CIDR block (like 10.0.0.0/8, ::1/128 or 192.0.2.7)';
  const cases: Readonly<Record<string, string>> = {
    'protocols: [http2]': '17: protocols[0]: "http2" is not known here (did you mean http1?)',
    'protocols: [h2, h2]': '21: protocols[1]: h2 is listed twice (first as listeners[0].protocols[0])',
    'protocols: h2': '16: protocols: "h2" is not a list (did you mean ["h2"]?)',
    'sniff_timeout: off': `20: sniff_timeout: "off" ${BAD_DURATION})`,
    'sniff_timeout: 1ms': '20: sniff_timeout: "1ms" is too small (100ms to 1h)',
    'server_first_delay: 0': '25: server_first_delay: "0" is too small (1ms to 1h; or off)',
    'server_first_delay: on': `25: server_first_delay: "on" ${BAD_DURATION}; or off)`,
    'proxy_protocol: v2': '21: proxy_protocol: "v2" is not known here (known: off, required)',
    'tls: on': '10: tls: "on" is not a list (did you mean ["on"]?)',
    'allow: [10.0.0.0/33]': `13: allow[0]: "10.0.0.0/33" ${block}`,
    'deny: [localhost]': `12: deny[0]: "localhost" ${block}`,
    'tunnel_idle_timeout: 0': '26: tunnel_idle_timeout: "0" is too small (100ms to 7d; or off)',
    'tunnel_idle_timeout: 8d': '26: tunnel_idle_timeout: "8d" is too large (100ms to 7d; or off)',
    'connect: on': '14: connect: "on" is not a map (key: value, one a line; or off)',
    'connect: {}':
      '14: connect.allow: is missing (list of destination: destinations: `host:443`, `*.example:443`, `10.0.0.0/8:*`, `*:443`)',
    'connect: {allow: []}': '22: connect.allow: the list is empty (at least one destination)',
    'websocket: off': '16: websocket: "off" is not a boolean (true or false)',
    'grpc_web: yes': '15: grpc_web: "yes" is not a map (key: value, one a line; or on or off)',
    'grpc_web: {origins: []}': '16: grpc_web.origins: unknown key (known: allow_origins)',
    'allow_origins: []': '5: allow_origins: unknown key (did you mean grpc_web.allow_origins?)',
  };
  for (const [line, mistake] of Object.entries(cases)) assert.equal(mistakeInListener(line), mistake);
});

test('what is said about a protocol is for one that is spoken', () => {
  assert.equal(
    mistakeInListener('protocols: [h2], server_first_delay: 1s'),
    '42: server_first_delay: tcp is not among the protocols (protocols: [h2, tcp])',
  );
  assert.equal(listenerWith('protocols: [tcp], server_first_delay: 1s').serverFirstDelay, 1000);
  assert.match(mistakeInListener('protocols: [h3], server_first_delay: 1s'), /^17: protocols\[0\]: "h3" is not known/);
});

test('a silence is over before the wait for bytes is', () => {
  assert.equal(
    mistakeInListener('server_first_delay: 11s'),
    '25: server_first_delay: 11s is more than sniff_timeout (10s or less)',
  );
  assert.equal(
    mistakeInListener('server_first_delay: 2s, sniff_timeout: 1s'),
    '44: sniff_timeout: 1s is less than server_first_delay (2s or more)',
  );
});

test('a PROXY header is required only from peers that are believed', () => {
  const { proxyProtocol } = listenerWith('proxy_protocol: required, trusted_proxies: [127.0.0.1]');
  assert.equal(proxyProtocol, 'required');
  const mistake = '21: proxy_protocol: required, but no peer is believed (trusted_proxies: [10.0.0.0/8])';
  assert.equal(mistakeInListener('proxy_protocol: required'), mistake);
  assert.equal(mistakeInListener('proxy_protocol: required, trusted_proxies: []'), mistake);
  assert.match(
    mistakeInListener('proxy_protocol: required, trusted_proxies: [x]'),
    /^49: trusted_proxies\[0\]: "x" is/,
  );
});

test('destinations of a CONNECT are names, blocks of addresses, or any', () => {
  const cases: Readonly<Record<string, string>> = {
    'Asr.Example:443': 'asr.example:443',
    'asr.example.:443': 'asr.example:443',
    'localhost:*': 'localhost:*',
    '*.Example:8443': '*.example:8443',
    '*:443': '*:443',
    '*:*': '*:*',
    '10.0.0.0/8:*': '10.0.0.0/8:*',
    '10.0.0.1:65535': '10.0.0.1/32:65535',
    '[2001:db8::]/32:443': '[2001:db8::]/32:443',
    '[::1]:1': '[::1]/128:1',
  };
  for (const [written, destination] of Object.entries(cases)) {
    assert.deepEqual(listenerWith(`connect: {allow: ["${written}"]}`).connect, { allow: [destination] });
  }
});

test('a destination that no CONNECT could name is a mistake', () => {
  const form = 'host:443, *.example:443, 10.0.0.0/8:443, [2001:db8::]/32:443 or *:443; * is any port';
  const port = 'a port is 1 to 65535, or *';
  const cases: Readonly<Record<string, string>> = {
    'asr.example': 'with its port: asr.example:443',
    '10.0.0.0/8': 'with its port: 10.0.0.0/8:443',
    '[::1]': 'with its port: [::1]:443',
    '*': 'with its port: *:443',
    'asr.example:0': port,
    'asr.example:65536': port,
    'asr.example:000443': port,
    '::1': 'an IPv6 address stands in brackets: [::1]:port',
    'fd00::1:443': 'an IPv6 address stands in brackets: [fd00::1:443]:port',
    'fd00:1:2:3:4:5:6:7:443': 'an IPv6 address stands in brackets: [fd00:1:2:3:4:5:6:7]:port',
    '2001:db8::/32:443': form,
    '[10.0.0.1]:443': form,
    '[::1/128]:443': form,
    '10.0.0.0/33:443': form,
    '127.0.0.256:443': form,
    'asr.*.example:443': form,
    'https://asr.example:443': form,
    ':443': form,
    '': form,
  };
  for (const [written, right] of Object.entries(cases)) {
    assert.equal(
      mistakeInListener(`connect: {allow: ["${written}"]}`),
      `23: connect.allow[0]: "${written}" is not a destination (${right})`,
    );
  }
});

test('origins are read the way browsers write them', () => {
  const cases: Readonly<Record<string, string>> = {
    '*': '*',
    'https://App.Example': 'https://app.example',
    'https://app.example:443': 'https://app.example',
    'http://localhost:3000': 'http://localhost:3000',
    'http://[::1]:3000': 'http://[::1]:3000',
    'https://bücher.example': 'https://xn--bcher-kva.example',
    'chrome-extension://AbC': 'chrome-extension://abc',
  };
  for (const [written, origin] of Object.entries(cases)) {
    assert.deepEqual(listenerWith(`grpc_web: {allow_origins: ["${written}"]}`).grpcWeb, { allowOrigins: [origin] });
  }
});

test('an origin that no browser would send is a mistake', () => {
  const form = 'like https://app.example or http://localhost:3000, or *';
  const path = 'an origin has no path: https://app.example';
  const cases: Readonly<Record<string, string>> = {
    'https://app.example/': path,
    'https://app.example/a/b': path,
    'app.example': form,
    null: form,
    'https://': form,
    'https://*.example': form,
    'https://me@app.example': form,
    'https://app.example:99999': form,
    'https://app.example?x': form,
    'https:///app.example': form,
    'a b': form,
  };
  for (const [written, right] of Object.entries(cases)) {
    assert.equal(
      mistakeInListener(`grpc_web: {allow_origins: ["${written}"]}`),
      `32: grpc_web.allow_origins[0]: "${written}" is not an origin (${right})`,
    );
  }
});

test('a listener without an upstream needs routes', () => {
  const file = (routes: string) => `listeners:
  - address: ":1"
upstreams: {asr: {endpoints: [a:1]}}
${routes}`;
  assert.deepEqual(read(file('')).mistakes, [
    'f.yaml:2:5: listeners[0].upstream: is missing, and there are no routes (name: where everything goes)',
  ]);
  assert.deepEqual(read(file('routes: []\n')).mistakes.length, 1);
  const { snapshot } = read(file('routes: [{match: {host: a}, upstream: asr}]\n'));
  assert.equal(snapshot?.listeners[0]?.upstream, null);
});
