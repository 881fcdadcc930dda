import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_ROUTE } from '../../src/snapshot.ts';
import { mistakeInRoute, read, routeOf } from './one-upstream.ts';

const matchOf = (match: string) => routeOf(`{upstream: asr, match: {${match}}}`).match;
/** Without the place of `match`, which begins in column 27 of its line. */
const mistakeIn = (match: string) => mistakeInRoute(`{upstream: asr, match: {${match}}}`).replace('match.', '');

test('each condition arrives, and all others match everything', () => {
  const cases: Readonly<Record<string, object>> = {
    'listener: front': { listeners: ['front'] },
    'listener: [front]': { listeners: ['front'] },
    'path: /': { path: { kind: 'exact', value: '/' } },
    'path: /a%20b': { path: { kind: 'exact', value: '/a%20b' } },
    'path: {exact: /a}': { path: { kind: 'exact', value: '/a' } },
    'path: {prefix: /a/}': { path: { kind: 'prefix', value: '/a/' } },
    'path: {regex: "^/a/[0-9]+$"}': { path: { kind: 'regex', value: '^/a/[0-9]+$' } },
    'grpc: asr.v1.Recognizer': {
      path: { kind: 'prefix', value: '/asr.v1.Recognizer' },
      protocols: ['grpc', 'grpc_web'],
    },
    'grpc: asr.v1.Recognizer/Stream, protocol: grpc': {
      path: { kind: 'exact', value: '/asr.v1.Recognizer/Stream' },
      protocols: ['grpc'],
    },
    'method: GET': { methods: ['GET'] },
    'method: [GET, M-SEARCH]': { methods: ['GET', 'M-SEARCH'] },
    'header: {X-A: 7}': { headers: [{ name: 'x-a', kind: 'exact', value: '7' }] },
    'header: {a: {exact: ""}, b: {prefix: x}, c: {regex: "^x"}, d: {present: true}, e: {present: false}}': {
      headers: [
        { name: 'a', kind: 'exact', value: '' },
        { name: 'b', kind: 'prefix', value: 'x' },
        { name: 'c', kind: 'regex', value: '^x' },
        { name: 'd', kind: 'present', value: '' },
        { name: 'e', kind: 'absent', value: '' },
      ],
    },
    'client: 10.0.0.0/8': { clients: ['10.0.0.0/8'] },
    'client_certificate: ["CN=reader,O=x", reader.test]': { certificates: ['CN=reader,O=x', 'reader.test'] },
    'client: ["::1", 192.0.2.7]': { clients: ['::1/128', '192.0.2.7/32'] },
  };
  for (const [match, right] of Object.entries(cases)) {
    assert.deepEqual(matchOf(match), { ...DEFAULT_ROUTE.match, ...right }, match);
  }
});

test('what cannot match is a mistake where it stands', () => {
  const cases: Readonly<Record<string, string>> = {
    'listener: frnt': '37: listener: there is no listener "frnt" (did you mean front?)',
    'listener: [front, x]': '45: listener[1]: there is no listener "x" (known: front)',
    'path: a': '33: path: "a" is not a path (it begins with /)',
    'path: /a?b': '33: path: "/a?b" is not a path (without a query)',
    'path: /a/../b': '33: path: "/a/../b" is not a path (requests have it as /b)',
    'path: /%7Ea': '33: path: "/%7Ea" is not a path (requests have it as /~a)',
    'path: /a%2Fb': '33: path: "/a%2Fb" is not a path (no request has it: it is refused with 400)',
    'path: {}': '33: path: has none of its keys (one of exact, prefix, regex)',
    'path: {exact: /a, prefix: /a}': '33: path: has 2 of its keys (one of exact, prefix, regex)',
    'path: {prefix: a}': '42: path.prefix: "a" is not a path (it begins with /)',
    'path: {suffix: /a}': '34: path.suffix: unknown key',
    'grpc: /asr.v1.R': '33: grpc: "/asr.v1.R" is not a gRPC service or method (without the first slash: asr.v1.R)',
    'grpc: asr v1': '33: grpc: "asr v1" is not a gRPC service or method (package.Service or package.Service/Method)',
    'grpc: a.B/C/D': '33: grpc: "a.B/C/D" is not a gRPC service or method (package.Service or package.Service/Method)',
    'path: /a, grpc: a.B': '43: grpc: beside a path (one of them)',
    'method: get': '35: method: "get" is not a method (did you mean GET?)',
    'method: G T': '35: method: "G T" is not a method (like GET)',
    'method: [GET, GET]': '41: method[1]: GET is listed twice (first as routes[0].match.method[0])',
    'header: {}': '35: header: is empty (at least one name: text)',
    'header: {"a b": x}': '36: header.a b: like x-session',
    'header: {a: [x]}': '39: header.a: a list is not a text (one value)',
    'header: {a: {present: maybe}}': '49: header.a.present: "maybe" is not a boolean (true or false)',
    'header: {a: {exact: x, present: true}}': '39: header.a: has 2 of its keys (one of exact, prefix, regex, present)',
    'client: 10.0.0.0/33': '35: client: "10.0.0.0/33" is not a CIDR block (like 10.0.0.0/8, ::1/128 or 192.0.2.7)',
  };
  for (const [match, right] of Object.entries(cases)) {
    const found = mistakeIn(match);
    assert.ok(found.startsWith(right), `${match}\n${found}\n${right}`);
  }
});

test('a regular expression that could take long is a mistake that says why', () => {
  assert.match(mistakeIn('path: {regex: "(a+)+$"}'), /^41: path.regex: "\(a\+\)\+\$" is not a harmless .*repeat/);
  assert.match(mistakeIn('header: {a: {regex: "(a"}}'), /^47: header.a.regex: "\(a" is not a harmless /);
});

test('a connection that nobody looks into has nothing but its names', () => {
  for (const [condition, noun] of [
    ['path: /a', 'path'],
    ['grpc: a.B', 'service'],
    ['method: GET', 'method'],
    ['header: {a: b}', 'header'],
  ]) {
    assert.match(mistakeIn(`protocol: tcp, ${condition}`), new RegExp(`there is no ${noun} in tcp`), condition);
  }
});

test('a route that an earlier one takes whole is a mistake, by each of its conditions', () => {
  const reached = (first: string, second: string) => {
    const routes = [first, second].map((match) => `- {upstream: a, match: {${match}}}\n`).join('');
    const text = `listeners: [{address: ":1", name: l}, {address: ":2", name: m}]\nroutes:\n${routes}upstreams: {a: {endpoints: [a:1], protocol: same}}\n`;
    const { mistakes } = read(text);
    assert.deepEqual(
      mistakes.filter((line) => !line.includes('is never reached')),
      [],
    );
    return mistakes.length === 0;
  };
  const whole: readonly (readonly [string, string])[] = [
    ['path: /a', 'path: /a'],
    ['path: {prefix: /a}', 'path: /a'],
    ['path: {prefix: /a}', 'path: {prefix: /a/b}'],
    ['path: {prefix: /}', 'path: /a'],
    ['path: {regex: "^/a"}', 'path: {regex: "^/a"}'],
    ['path: {regex: "^/a"}', 'path: /abc'],
    ['method: [GET, POST]', 'method: GET, path: /a'],
    ['listener: l', 'listener: l, host: a'],
    ['header: {a: {present: true}}', 'header: {a: b}'],
    ['header: {a: {prefix: b}}', 'header: {a: bc, b: c}'],
    ['header: {a: {regex: "^b"}}', 'header: {a: bc}'],
    ['header: {a: {present: false}}', 'header: {a: {present: false}}'],
    ['client: [10.0.0.0/8, "::1"]', 'client: "::1"'],
    ['protocol: [grpc, grpc_web, http]', 'grpc: a.B'],
  ];
  for (const [first, second] of whole) assert.equal(reached(first, second), false, `${first} | ${second}`);
  const parts: readonly (readonly [string, string])[] = [
    ['path: /a', 'path: {prefix: /a}'],
    ['path: {prefix: /a}', 'path: /ab'],
    ['path: {prefix: /a/}', 'path: /a'],
    ['path: {regex: "^/a$"}', 'path: {regex: "^/a"}'],
    ['path: {regex: "^/a$"}', 'path: /b'],
    ['path: /a', 'host: a'],
    ['method: GET', 'path: /a'],
    ['listener: l', 'listener: m'],
    ['header: {a: b}', 'header: {a: {present: true}}'],
    ['header: {a: b}', 'header: {b: b}'],
    ['header: {a: {present: true}}', 'header: {a: {present: false}}'],
    ['client: 10.0.0.0/8', 'client: 192.0.2.0/24'],
    ['client: 10.0.0.0/8', 'path: /a'],
    ['grpc: a.B', 'path: {prefix: /a.B}'],
  ];
  for (const [first, second] of parts) assert.equal(reached(first, second), true, `${first} | ${second}`);
});
