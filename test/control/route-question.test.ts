import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseQuestion } from '../../src/control/route-question.ts';
import { answerRoute } from '../../src/route-answer.ts';
import { read } from './one-upstream.ts';

const PLAIN = {
  listener: null,
  kind: 'http',
  serverName: null,
  host: null,
  path: '/',
  method: 'GET',
  headers: [],
  client: '127.0.0.1',
};

const FILE = `listeners: [{address: ":1", name: front, upstream: web}, {address: ":2", name: back}]
routes:
- {name: asr, match: {grpc: asr.v1.Recognizer, host: "*.example"}, upstream: {web: 95, canary: 5}}
- {match: {path: {prefix: /old}}, redirect: {path: /new}}
- {name: raw, match: {protocol: tls, sni: raw.example}, upstream: web}
- {name: vip, match: {header: {x-user: {prefix: "a b"}}, client: 10.0.0.0/8}, respond: {status: 403}}
upstreams: {web: {protocol: same, endpoints: [a:1]}, canary: {endpoints: [a:2]}}
admin: off
`;
const { snapshot } = read(FILE);
assert.ok(snapshot, 'the file has no mistake');

function answer(line: string) {
  const question = parseQuestion(line);
  assert.ok(typeof question !== 'string', line);
  const { text, served } = answerRoute(snapshot!, question);
  return [served, text];
}

function mistakeIn(line: string): string {
  const question = parseQuestion(line);
  return typeof question === 'string' ? question : '';
}

test('a question is a method and a path, and what else is known of the request', () => {
  assert.deepEqual(parseQuestion('GET /'), PLAIN);
  assert.deepEqual(parseQuestion('GET / host=A.Example.:8443 sni=B.example client=::1 listener=l protocol=websocket'), {
    ...PLAIN,
    kind: 'websocket',
    host: 'a.example',
    serverName: 'b.example',
    client: '::1',
    listener: 'l',
  });
  assert.deepEqual(parseQuestion('header.X-A="b c" GET /a/../b?x=1 host=[::1]:80 header.x-a='), {
    ...PLAIN,
    path: '/b?x=1',
    host: '::1',
    headers: [
      ['x-a', 'b c'],
      ['x-a', ''],
    ],
  });
  assert.deepEqual(parseQuestion('protocol=tls sni=a.example'), {
    ...PLAIN,
    kind: 'tls',
    serverName: 'a.example',
    method: '',
    path: '',
  });
});

test('the protocol is guessed where it is not said', () => {
  const cases: Readonly<Record<string, string>> = {
    'POST /asr.v1.Recognizer/Stream': 'grpc',
    'GET /asr.v1.Recognizer/Stream': 'http',
    'POST /upload/file': 'http',
    'POST /a header.content-type=application/grpc+proto': 'grpc',
    'POST /a header.content-type=application/grpc-web-text': 'grpc_web',
    'POST /asr.v1.Recognizer/Stream header.content-type=text/plain': 'http',
    'sni=a.example': 'tcp',
  };
  for (const [line, kind] of Object.entries(cases)) {
    const question = parseQuestion(line);
    assert.equal(typeof question === 'string' ? question : question.kind, kind, line);
  }
});

test('a question that cannot be asked says why', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    GET: /^method or path is missing \(METHOD \/path/,
    'GET / x': /^unexpected x/,
    'GET / hots=a': /^unknown key hots \(did you mean host\?\)/,
    'GET / host=a host=b': /^host is said twice/,
    'GET / host=*': /^host \*: a wildcard/,
    'GET / sni=10.0.0.1': /^sni 10.0.0.1: TLS clients name hosts/,
    'GET / client=me': /^client me is no address/,
    'GET / protocol=h2': /^protocol h2 is not known here/,
    'GET / header.a,b=c': /^"a,b" is no name of a header/,
    'GET /a%2Fb': /^\/a%2Fb is no path .* 400$/,
  };
  for (const [line, right] of Object.entries(cases)) assert.match(mistakeIn(line), right, line);
});

test('the answer names the route, where it goes, and why', () => {
  assert.deepEqual(answer('POST /asr.v1.Recognizer/Stream host=a.example'), [
    true,
    'grpc at front: asr (upstreams web 95, canary 5): protocol grpc, host a.example (*.example), path /asr.v1.Recognizer/Stream (prefix /asr.v1.Recognizer)',
  ]);
  assert.deepEqual(answer('GET /old/x?y listener=back'), [
    true,
    'http at back: routes[1] (redirect 302): path /old/x (prefix /old)',
  ]);
  assert.deepEqual(answer('sni=raw.example protocol=tls'), [
    true,
    'tls at front: raw (upstream web): protocol tls, server name raw.example',
  ]);
  assert.deepEqual(answer('GET / header.x-user="a bc" client=10.1.2.3'), [
    true,
    'http at front: vip (respond 403): header x-user (prefix a b), client 10.1.2.3 (10.0.0.0/8)',
  ]);
});

test("what no route has is the listener's, if it has an upstream", () => {
  const none = 'none of the 4 routes matches';
  assert.deepEqual(answer('GET /'), [true, `http at front: ${none}; the listener has upstream web`]);
  assert.deepEqual(answer('GET / listener=back'), [false, `http at back: ${none}`]);
  assert.deepEqual(answer('protocol=tls sni=a.example'), [false, `tls at front: ${none}`]);
  assert.throws(() => answer('GET / listener=side'), /^Error: there is no listener side \(known: front, back\)$/);
});

const folder = mkdtempSync(join(tmpdir(), 'frameway-route-'));
after(() => rmSync(folder, { recursive: true }));

test('check --route exits 0, 1 where nobody serves it, and 64 where it is no question', () => {
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, FILE);
  const check = (line: string) => {
    const args = ['--import', 'tsx', 'src/cli.ts', 'check', file, '--route', line];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return [status, stdout, stderr];
  };
  assert.deepEqual(check('GET /old'), [0, 'http at front: routes[1] (redirect 302): path /old (prefix /old)\n', '']);
  assert.deepEqual(check('GET / listener=back'), [1, 'http at back: none of the 4 routes matches\n', '']);
  assert.deepEqual(check('GET / client=me'), [64, '', 'frameway check: --route: client me is no address\n']);
  assert.deepEqual(check('GET / listener=x'), [
    64,
    '',
    'frameway check: --route: there is no listener x (known: front, back)\n',
  ]);
});
