import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeField } from '../../src/hpack/field.ts';
import { forbiddenInTrailers } from '../../src/http1/hop-by-hop.ts';
import { keepsAlive } from '../../src/http1/hop-by-hop.ts';
import { toRequestHead } from '../../src/http1/request.ts';
import { writeData, writeEnd, writeRequestHead, writeResponseHead } from '../../src/http1/writer.ts';
import { RequestHead } from '../../src/relay/message.ts';
import type { RequestStart } from '../../src/http1/parser.ts';
import { Random } from '../support/random.ts';
import { lines, pairs, Reading, request } from './codec-reading.ts';
import { knowsMethod, NodeServer, receive } from './codec-node.ts';
import type { Seen } from './codec-node.ts';
import { Written } from './codec-written.ts';

const CONTINUE = { minor: 1, close: false, accept: null } as const;
const CASES = 6000;
const SEEDS = [
  lines('GET /a?b=c HTTP/1.1', 'Host: example.com', 'Accept: */*', 'Cookie: a=b; c=d', 'TE: trailers', ''),
  request('Content-Length: 5') + 'hello',
  request('Transfer-Encoding: chunked', 'Trailer: x') + lines('5;a=b;c="d e"', 'hello', '0A', '0123456789', '0', 'X: 1', ''), // prettier-ignore
  request('Content-Length: 11') + 'GET / HTTP/' + lines('HEAD /x HTTP/1.1', 'Host: b', 'X-A:', ''),
  lines('POST http://a/b HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 3', '') + 'xyz' + request(),
  lines('GET / HTTP/1.0', 'Connection: keep-alive', '') + lines('OPTIONS * HTTP/1.1', 'Host: a', '') + request(),
  lines('CONNECT a:443 HTTP/1.1', 'Host: a:443', '') + 'raw',
  '\r\n' + lines('DELETE /1 HTTP/1.1', 'Host: a', 'Connection: close', '') + request(),
];
const OCTETS = ['\r', '\n', '\r\n', '\t', ' ', ':', ',', ';', '=', '"', '\\', '\0', '\x0b', '\x7f', '\xa0', '\xff', '0', '1', '9', 'a', 'F', 'x', '+', '-', '/', '*', '\r\n ', '\r\n\r\n']; // prettier-ignore
const FIELDS = ['Content-Length: 5', 'Content-Length: 0', 'content-length:3', 'Transfer-Encoding: chunked', 'transfer-encoding:\tchunked', 'Transfer-Encoding: identity', 'Host: b', 'Connection: close', 'Connection: upgrade', 'Upgrade: x', 'X: y']; // prettier-ignore

function mutated(random: Random): string {
  let text = random.pick(SEEDS);
  for (let n = random.between(0, 3); n > 0; n--) {
    const at = random.below(text.length + 1);
    const rest = (from: number): string => text.slice(from);
    switch (random.below(6)) {
      case 0:
        text = text.slice(0, at) + random.pick(OCTETS) + rest(at);
        break;
      case 1:
        text = text.slice(0, at) + random.pick(OCTETS) + rest(at + 1);
        break;
      case 2:
        text = text.slice(0, at) + rest(at + random.between(1, 4));
        break;
      case 3: {
        const all = text.split('\r\n');
        all.splice(random.between(1, all.length), 0, random.pick(FIELDS));
        text = all.join('\r\n');
        break;
      }
      case 4: {
        const all = text.split('\r\n');
        const one = random.below(all.length);
        all.splice(random.below(all.length), 0, all[one]!);
        text = all.join('\r\n');
        break;
      }
      default:
        text += random.pick(SEEDS);
    }
  }
  return text;
}

/** The messages that ours accepts, as far as a connection would read on. */
function ours(text: string, cuts: readonly number[]): Seen[] {
  const { messages } = new Reading().feed(text, cuts);
  const seen: Seen[] = [];
  for (const { start, body, trailers } of messages) {
    const { method, target, minor, fields } = start as RequestStart;
    if (!(toRequestHead(start as RequestStart, 'http') instanceof RequestHead)) break;
    seen.push({ method, target, fields: pairs(fields), body, trailers });
    // Behind an Upgrade, taken or not, node no longer looks for HTTP.
    const upgrade = fields.some(({ name }) => name.text === 'upgrade');
    if (method === 'CONNECT' || upgrade || !keepsAlive(minor, fields)) break;
  }
  return seen;
}

const allowed = ([name, value]: [string, string]): boolean => !forbiddenInTrailers(makeField(name, value));

test('whatever ours accepts, node:http accepts with the same borders', async () => {
  const node = new NodeServer();
  let accepted = 0;
  for (let seed = 0; seed < CASES; seed++) {
    const random = new Random(seed);
    const text = mutated(random);
    const own = ours(text, random.cuts(text.length, random.below(4)));
    if (own.some(({ method }) => !knowsMethod(method))) continue;
    const theirs = await node.read(text, random.cuts(text.length, random.below(4)));
    const about = `seed ${seed}: ${JSON.stringify(text)}`;
    for (const [i, message] of own.entries()) {
      const other = theirs[i];
      assert.ok(other !== undefined, `node has no message ${i}; ${about}`);
      const { body, trailers, ...head } = message;
      assert.deepEqual(head, { method: other.method, target: other.target, fields: other.fields }, about);
      // What came of an unfinished body may have been thrown away with its connection.
      if (trailers === null) continue;
      assert.equal(body, other.body, about);
      assert.deepEqual(trailers, other.trailers?.filter(allowed), about);
      accepted++;
    }
  }
  assert.ok(accepted > CASES / 3, `only ${accepted} messages were compared`);
});

test('what is written, node:http reads as it was meant', async () => {
  const node = new NodeServer();
  for (let seed = 0; seed < 500; seed++) {
    const random = new Random(seed);
    const written = new Written();
    const bodies: string[] = [];
    const heads: RequestHead[] = [];
    for (const { start } of new Reading().feed(mutated(random)).messages) {
      const head = toRequestHead(start as RequestStart, 'http');
      if (!(head instanceof RequestHead) || !knowsMethod(head.method) || head.method === 'CONNECT') continue;
      const body = Buffer.from(random.text(random.below(40), 'ab\r\n0'), 'latin1');
      const framing = head.contentLength >= 0 ? 'length' : random.pick(['none', 'chunked'] as const);
      const length = framing === 'length' ? head.contentLength : framing === 'none' ? 0 : body.length;
      const content = Buffer.alloc(length, body.length === 0 ? '\r' : body);
      if (length > 1000) continue;
      writeRequestHead(written.output, head.fields, framing, null);
      writeData(written.output, content, 0, length, framing);
      writeEnd(written.output, [makeField('x-end', '1')], framing);
      bodies.push(content.toString('latin1'));
      heads.push(head);
    }
    const theirs = await node.read(written.text, []);
    const about = `seed ${seed}: ${JSON.stringify(written.text)}`;
    assert.deepEqual(
      theirs.map(({ method, target, body }) => [method, target, body]),
      heads.map(({ method, path }, i) => [method, path, bodies[i]]),
      about,
    );
    for (const { trailers } of theirs) assert.notEqual(trailers, null, about);
  }
});

test('a response that is written, node:http reads as it was meant', async () => {
  for (const framing of ['none', 'length', 'chunked', 'close'] as const) {
    const written = new Written();
    const fields = [makeField(':status', framing === 'none' ? '304' : '200'), makeField('x-a', '1'), makeField('x-a', '\xe9')]; // prettier-ignore
    if (framing === 'length') fields.push(makeField('content-length', '5'));
    writeResponseHead(written.output, [makeField(':status', '103'), makeField('link', '</a>')], '', 'none', CONTINUE);
    writeResponseHead(written.output, fields, 'Fine', framing, CONTINUE);
    writeData(written.output, Buffer.from('hello'), 0, 5, framing);
    writeEnd(written.output, [makeField('x-end', '1')], framing);
    const { message, body } = await receive(written.text);
    assert.deepEqual([message.statusMessage, body], ['Fine', framing === 'none' ? '' : 'hello'], framing);
    assert.deepEqual(message.rawHeaders.slice(0, 4), ['x-a', '1', 'x-a', '\xe9']);
    assert.deepEqual([message.complete, message.rawTrailers], [true, framing === 'chunked' ? ['x-end', '1'] : []]);
  }
});
