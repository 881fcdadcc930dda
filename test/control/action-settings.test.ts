import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_ROUTE } from '../../src/snapshot.ts';
import { mistakeInRoute, read, routeOf } from './one-upstream.ts';

const with_ = (more: string) => routeOf(`{upstream: asr, ${more}}`);
const wrong = (more: string) => mistakeInRoute(`{upstream: asr, ${more}}`);

test('a route has a name of its own, or its place', () => {
  assert.equal(with_('name: main').name, 'main');
  assert.equal(with_('timeout: off').name, 'routes[0]');
  const two =
    'listeners: [{address: ":1"}]\nroutes: [{name: a, upstream: u, match: {host: a}}, {name: a, upstream: u}]\n';
  assert.deepEqual(read(`${two}upstreams: {u: {endpoints: [a:1]}}\n`).mistakes, [
    'f.yaml:2:52: routes[1]: a is listed twice (first as routes[0])',
  ]);
});

test('an action is an upstream, several by weight, a redirect or an answer', () => {
  assert.deepEqual(routeOf('{upstream: {asr: 95, canary: 0}}').action, {
    kind: 'upstream',
    upstreams: [
      { name: 'asr', weight: 95 },
      { name: 'canary', weight: 0 },
    ],
  });
  assert.deepEqual(routeOf('{redirect: {scheme: https}}').action, {
    kind: 'redirect',
    status: 302,
    scheme: 'https',
    host: null,
    path: null,
  });
  assert.deepEqual(routeOf('{redirect: {status: 308, host: "a.example:8443", path: /a}}').action, {
    kind: 'redirect',
    status: 308,
    scheme: null,
    host: 'a.example:8443',
    path: '/a',
  });
  assert.deepEqual(routeOf('{respond: {}}').action, {
    kind: 'respond',
    status: 200,
    body: '',
    contentType: 'text/plain',
  });
  assert.deepEqual(
    routeOf('{respond: {status: 503, body: "{}", content_type: application/json; charset=utf-8}}').action,
    {
      kind: 'respond',
      status: 503,
      body: '{}',
      contentType: 'application/json; charset=utf-8',
    },
  );
});

test('what is no action is a mistake where it stands', () => {
  const cases: Readonly<Record<string, string>> = {
    '{upstream: asr, respond: {}}': '28: respond: beside upstream (one of upstream, redirect, respond)',
    '{redirect: {path: /a}, respond: {}}': '35: respond: beside redirect (one of upstream, redirect, respond)',
    '{upstream: {}}': '14: upstream: is empty (at least one name: whole number)',
    '{upstream: {asr: 0, canary: 0}}': '14: upstream: sends nothing anywhere (a weight above 0)',
    '{upstream: {asr: -1}}': '20: upstream.asr: "-1" is too small (0 to 1000000)',
    '{upstream: {asr: 1, canry: 1}}': '30: upstream.canry: there is no upstream "canry" (did you mean canary?)',
    '{upstream: {asr: 1, canary: 1}, match: {protocol: websocket}}': '',
    '{upstream: {asr: 1, canary: 1}, match: {protocol: [http, tcp]}}':
      '31: upstream.canary: canary speaks h2, which cannot carry tcp (one whose protocol is tcp or same)',
    '{redirect: {}}': '14: redirect: leads back to where it was (scheme, host or path)',
    '{redirect: {status: 300, path: /a}}': '23: redirect.status: "300" is not known here',
    '{redirect: {scheme: ftp}}': '23: redirect.scheme: "ftp" is not known here',
    '{redirect: {host: "http://a"}}': '21: redirect.host: "http://a" is not a host (like a.example or a.example:8443)',
    '{redirect: {host: "a:70000"}}': '21: redirect.host: "a:70000" is not a host (like a.example or a.example:8443)',
    '{redirect: {path: a}}': '21: redirect.path: "a" is not a path (it begins with /)',
    '{respond: {status: 100}}': '22: respond.status: "100" is too small (200 to 599)',
    '{respond: {status: 204, body: x}}': '33: respond.body: an answer of 204 has none (another status)',
    '{respond: {content_type: text}}': '28: respond.content_type: "text" is not a content type (like text/plain)',
  };
  for (const [route, right] of Object.entries(cases)) {
    if (right === '') routeOf(route);
    else assert.ok(mistakeInRoute(route).startsWith(right), `${route}\n${mistakeInRoute(route)}\n${right}`);
  }
});

test('a rewrite arrives, and what it cannot be is a mistake', () => {
  assert.deepEqual(
    with_('rewrite: {strip_prefix: /v1, regex: {pattern: "^/a/([^/]+)$", replace: /b/$1}, host: b.example}').rewrite,
    { stripPrefix: '/v1', regex: { pattern: '^/a/([^/]+)$', replace: '/b/$1' }, host: 'b.example' },
  );
  assert.match(wrong('rewrite: {strip_prefix: v1}'), /^43: rewrite.strip_prefix: "v1" is not a path/);
  assert.match(wrong('rewrite: {regex: {pattern: "^a"}}'), /^36: rewrite.regex.replace: is missing/);
  assert.match(
    wrong('rewrite: {regex: {pattern: "(a*)*", replace: b}}'),
    /^46: rewrite.regex.pattern: .* is not a harmless/,
  );
  assert.match(wrong('rewrite: {host: "*.a"}'), /^35: rewrite.host: "\*.a" is not a host/);
});

test('headers are removed, set and added, in lower case', () => {
  const edits = '{remove: [X-A, x-b], set: {X-C: "1"}, add: {x-c: 2, "X-d": ""}}';
  const right = {
    remove: ['x-a', 'x-b'],
    set: [['x-c', '1']],
    add: [
      ['x-c', '2'],
      ['x-d', ''],
    ],
  };
  const route = with_(`request_headers: ${edits}, response_headers: ${edits}`);
  assert.deepEqual([route.requestHeaders, route.responseHeaders], [right, right]);
  assert.deepEqual(with_('request_headers: {}').requestHeaders, DEFAULT_ROUTE.requestHeaders);
});

test("headers that are not a route's to edit are mistakes, and no value is quoted", () => {
  const cases: Readonly<Record<string, string>> = {
    'remove: ":path"': '45: request_headers.remove: ":path" is not a list',
    'remove: [":path"]': '46: request_headers.remove[0]: ":path" is not a header name (:path is a pseudo-header',
    'remove: [connection]': '46: request_headers.remove[0]: "connection" is not a header name (connection belongs to',
    'remove: [a, A]': '49: request_headers.remove[1]: a is listed twice',
    'set: {host: a}': '43: request_headers.set.host: host cannot be edited',
    'set: {content-length: 1}': '43: request_headers.set.content-length: content-length cannot be edited',
    'set: {"a b": hush}': '43: request_headers.set.a b: a b is no name of a header',
    'set: {a: "hush\\n"}': '46: request_headers.set.a: the value of a is none that a field may have',
    'set: {a: [hush]}': '43: request_headers.set.a: takes one value',
    'set: {a: hush, A: hush}': '42: request_headers.set: a is written twice',
    'add: a': '42: request_headers.add: "a" is not a map',
  };
  for (const [edits, right] of Object.entries(cases)) {
    const found = wrong(`request_headers: {${edits}}`);
    assert.ok(found.startsWith(right) && !found.includes('hush'), `${edits}\n${found}\n${right}`);
  }
});

test("timeouts, retries, the key and duplicates have the listener's or no value unless they are said", () => {
  const route = with_(
    'timeout: 10s, idle_timeout: 1m, retry: {attempts: 2}, hash_key: header:X-Id, duplicates: {ttl: 1s}',
  );
  assert.deepEqual([route.timeout, route.idleTimeout], [10_000, 60_000]);
  assert.deepEqual(route.hashKey, { source: 'header', name: 'x-id' });
  assert.deepEqual(route.duplicates, { header: 'idempotency-key', ttl: 1000, maxEntries: 10_000, maxBytes: 65_536 });
  assert.ok(route.retry !== null && route.retry !== 'listener', 'it says for itself');
  assert.deepEqual([route.retry.attempts, route.retry.httpStatuses], [2, [502, 503]]);
  assert.equal(with_('retry: off').retry, null);
  assert.equal(with_('duplicates: on').duplicates?.ttl, 60_000);
  assert.deepEqual([with_('timeout: off').timeout, with_('timeout: off').retry], [0, 'listener']);
  assert.match(wrong('timeout: 5'), /^28: timeout: "5" is not a duration/);
  assert.match(wrong('idle_timeout: 8d'), /^33: idle_timeout: "8d" is too large/);
  assert.match(wrong('hash_key: cookie'), /^29: hash_key: "cookie" is not a key/);
  assert.match(wrong('duplicates: yes'), /^31: duplicates: "yes" is not a map/);
  assert.match(wrong('duplicates: {header: "a b"}'), /^40: duplicates.header: "a b" is not a header name/);
});

test('a connection that nobody looks into has no requests to do something to', () => {
  for (const key of ['rewrite: {host: a}', 'request_headers: {}', 'response_headers: {}', 'duplicates: on']) {
    assert.match(
      wrong(`match: {protocol: tcp}, ${key}`),
      /there are no requests in tcp \(match.protocol: http\)$/,
      key,
    );
  }
});
