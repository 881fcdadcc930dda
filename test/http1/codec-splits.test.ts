import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../support/random.ts';
import { lines, Reading, request } from './codec-reading.ts';

const REQUESTS: Record<string, string> = {
  'no body': lines('GET /a?b=c HTTP/1.1', 'Host: example.com', 'Accept:  */* \t', 'X-Empty:', ''),
  'a length': request('Content-Length: 5') + 'hello',
  chunks: request('Transfer-Encoding: Chunked') + lines('5;a=b;c="d;\\"e"', 'hello', '0A', '0123456789', '0', 'X-T: 1', 'Host: b', ''), // prettier-ignore
  'pipelined, with an empty line': '\r\n' + request('Content-Length: 1') + 'x\r\n' + request() + lines('OPTIONS * HTTP/1.0', ''), // prettier-ignore
  'no version': 'GET /\r\n\r\n',
  'bare LF': 'GET / HTTP/1.1\r\nHost: a\n\r\n',
  'two lengths': request('Content-Length: 5', 'Content-Length: 5') + 'hello',
  'a chunk too long': request('Transfer-Encoding: chunked') + lines('3', 'hello', '0', ''),
  'a bad trailer': request('Transfer-Encoding: chunked') + lines('1', 'x', '0', 'a b: c', ''),
  'obsolete folding': request('A: b', ' c'),
};
const RESPONSES: Record<string, string> = {
  interim: lines('HTTP/1.1 103 Early Hints', 'Link: </a>', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '') + 'ok',
  chunks: lines('HTTP/1.1 200 Very \xe9', 'Transfer-Encoding: chunked', '', '2', 'ok', '0', 'Grpc-Status: 0', ''),
  'until close': lines('HTTP/1.0 200', 'Server: x', '') + 'all the rest',
  'no content': lines('HTTP/1.1 204 No Content', 'Content-Length: 0', ''),
  'a bad status': lines('HTTP/1.1 20 OK', ''),
};

function read(role: 'request' | 'response', text: string, cuts: readonly number[]): unknown {
  return new Reading(role).feed(text, cuts).end().told;
}

for (const [role, messages] of [
  ['request', REQUESTS],
  ['response', RESPONSES],
] as const) {
  for (const [name, text] of Object.entries(messages)) {
    test(`a ${role} with ${name} is the same wherever it is cut`, () => {
      const whole = read(role, text, []);
      for (let a = 0; a <= text.length; a++) assert.deepEqual(read(role, text, [a]), whole, `cut at ${a}`);
      const octets = Array.from({ length: text.length }, (_, i) => i);
      assert.deepEqual(read(role, text, octets), whole, 'octet by octet');
      const random = new Random(text.length);
      for (let n = 0; n < 300; n++) {
        const cuts = random.cuts(text.length, random.between(2, 8));
        assert.deepEqual(read(role, text, cuts), whole, `cut at ${cuts.join(' ')}`);
      }
    });
  }
}

test('a message that is cut short anywhere is never complete', () => {
  for (const [role, messages] of [
    ['request', REQUESTS],
    ['response', RESPONSES],
  ] as const) {
    for (const [name, text] of Object.entries(messages)) {
      const whole = new Reading(role).feed(text).end();
      if (whole.broken !== null || name === 'until close') continue;
      for (let length = 1; length < text.length; length++) {
        const reading = new Reading(role).feed(text.slice(0, length));
        const { begun } = reading.parser;
        const open = reading.messages.filter(({ start, trailers }) => trailers === null && !interim(start)).length;
        assert.equal(reading.broken, null, `${name} to ${length}`);
        assert.equal(reading.end().ended, !begun, `${name} to ${length}`);
        if (open > 0) assert.equal(reading.ended, false, `${name} to ${length} has a message open`);
        const complete = reading.messages.filter(({ trailers }) => trailers !== null).length;
        assert.ok(complete <= whole.messages.length - (begun ? 1 : 0), `${name} to ${length}`);
      }
    }
  }
});
const interim = (start: object): boolean => 'status' in start && (start.status as number) < 200;

test('a body that its connection delimits ends with it, and a broken one is not heard of again', () => {
  const reading = new Reading('response').feed(lines('HTTP/1.1 200 OK', '') + 'abc');
  assert.deepEqual([reading.messages[0]!.trailers, reading.parser.begun], [null, true]);
  assert.deepEqual([reading.end().ended, reading.messages[0]!.trailers], [true, []]);
  const broken = new Reading().feed('nonsense\r\n' + request());
  assert.deepEqual([broken.broken?.status, broken.messages.length], [400, 0]);
  assert.equal(broken.end().ended, true);
});

test('reading stops after each message, so that what follows may be held back or be something else', () => {
  const reading = new Reading();
  const first = Buffer.from(request('Content-Length: 2') + 'xy');
  const both = Buffer.concat([first, Buffer.from('\x16\x03raw')]);
  assert.equal(reading.parser.read(both, 0, both.length), first.length);
  assert.deepEqual([reading.parser.begun, reading.messages[0]!.body], [false, 'xy']);
  const connect = Buffer.from(lines('CONNECT a:443 HTTP/1.1', 'Host: a:443', '') + '\x16\x03');
  assert.equal(new Reading().parser.read(connect, 0, connect.length), connect.length - 2);
});

test('begun and headless follow the message', () => {
  const { parser } = new Reading();
  const read = (text: string): boolean[] => {
    parser.read(Buffer.from(text), 0, text.length);
    return [parser.begun, parser.headless];
  };
  assert.deepEqual([parser.begun, parser.headless], [false, false]);
  assert.deepEqual(read('\r\n'), [false, false]);
  assert.deepEqual(read('P'), [true, true]);
  assert.deepEqual(read('OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n'), [true, true]);
  assert.deepEqual(read('\r\n'), [true, false]);
  assert.deepEqual(read('x'), [true, false]);
  assert.deepEqual(read('y'), [false, false]);
});

test('a parser that is stopped, even by its handler, tells nothing more', () => {
  const reading = new Reading();
  reading.onBody = () => reading.parser.stop();
  reading.feed(request('Content-Length: 3') + 'xyz' + request());
  assert.deepEqual([reading.messages.length, reading.messages[0]!.trailers, reading.broken], [1, null, null]);
});
