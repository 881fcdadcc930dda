import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeField } from '../../src/hpack/field.ts';
import { writeRequestHead, writeResponseHead } from '../../src/http1/writer.ts';
import { Random } from '../support/random.ts';
import { lines, Reading } from './codec-reading.ts';
import { Written } from './codec-written.ts';

const GET = lines('GET /a HTTP/1.1', 'Host: a', 'User-Agent: one', '');
const starts = (reading: Reading): unknown[] => reading.messages.map(({ start }) => start);

test('a head that comes again octet for octet is the same one from the third time on', () => {
  const reading = new Reading();
  for (let n = 0; n < 4; n++) reading.feed(GET);
  const [first, second, third, fourth] = starts(reading);
  assert.notEqual(first, second);
  assert.deepEqual([third === second, fourth === second], [true, true]);
  // One octet, at each place, makes it another.
  for (let at = 0; at < GET.length; at++) {
    const other = new Reading();
    for (let n = 0; n < 3; n++) other.feed(GET);
    const changed = `${GET.slice(0, at)}${GET[at] === 'x' ? 'y' : 'x'}${GET.slice(at + 1)}`;
    const plain = new Reading().feed(GET).feed(changed).told as { messages: unknown[]; broken: unknown };
    const told = other.feed(changed).told as typeof plain;
    assert.deepEqual([told.messages.slice(3), told.broken], [plain.messages.slice(1), plain.broken], `octet ${at}`);
  }
});

test('a head that is only the beginning of one, or that straddles reads, is read as ever', () => {
  const reading = new Reading();
  for (let n = 0; n < 3; n++) reading.feed(GET);
  reading.feed(GET, [GET.length - 1]);
  reading.feed(`${GET}${GET}`, [3, GET.length + 5]);
  reading.feed(`\r\n${GET}`);
  assert.equal(reading.messages.length, 7);
  assert.equal(new Set(reading.messages.map(({ start }) => JSON.stringify(start))).size, 1);
});

test('where a response ends depends on what it answers, however often it came', () => {
  const head = lines('HTTP/1.1 200 OK', 'Content-Length: 3', '');
  const reading = new Reading('response');
  for (const method of ['GET', 'GET', 'GET', 'HEAD', 'HEAD', 'HEAD', 'GET', 'CONNECT', 'GET']) {
    reading.parser.expect(method);
    reading.feed(method === 'GET' ? `${head}abc` : head);
  }
  assert.deepEqual(
    reading.messages.map(({ body }) => body),
    ['abc', 'abc', 'abc', '', '', '', 'abc', '', 'abc'],
  );
});

test('messages that come again are told like those of a parser that has not seen them, in whatever pieces', () => {
  const bodies = [
    '',
    lines('Content-Length: 4', '').slice(0, -2),
    lines('Transfer-Encoding: chunked', '').slice(0, -2),
  ];
  const all = bodies.map((framing, i) => {
    const head = `POST /${i} HTTP/1.1\r\nHost: a\r\n${framing}\r\n`;
    return head + ['', 'abcd', '3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n'][i]!;
  });
  for (let seed = 1; seed <= 100; seed++) {
    const random = new Random(seed);
    const reading = new Reading();
    const expected: unknown[] = [];
    for (let n = 0; n < 40; n++) {
      const message = random.chance(0.7) ? all[seed % 3]! : random.pick(all);
      const cuts = random.chance(0.2) ? [random.below(message.length)] : [];
      reading.feed(message, cuts);
      expected.push((new Reading().feed(message).told as { messages: unknown[] }).messages[0]);
    }
    assert.deepEqual((reading.told as { messages: unknown[] }).messages, expected, `seed ${seed}`);
  }
});

test('heads are written the same however often they are, each in its manner', () => {
  const length = makeField('content-length', '3');
  const request = [makeField(':method', 'POST'), makeField(':authority', 'a'), makeField(':path', '/known'), length];
  const response = [makeField(':status', '200'), makeField('server', 'known'), length];
  const once = (write: (to: Written['output']) => void): string => {
    const written = new Written();
    write(written.output);
    return written.text;
  };
  const manners = (['length', 'chunked', 'none'] as const).flatMap((framing) => [
    () => once((to) => writeRequestHead(to, request, framing, null)),
    ...([0, 1] as const).flatMap((minor) =>
      [true, false].map((close) => {
        const how = { minor: framing === 'chunked' ? 1 : minor, close, accept: null } as const;
        return () => once((to) => writeResponseHead(to, response, '', framing, how));
      }),
    ),
    () => once((to) => writeResponseHead(to, response, 'Fine', framing, { minor: 1, close: false, accept: null })),
  ]);
  const first = manners.map((write) => write());
  for (let n = 0; n < 3; n++) {
    for (const [i, write] of manners.entries()) assert.deepEqual([write(), write()], [first[i], first[i]]);
  }
  assert.ok(first.some((head) => head.startsWith('HTTP/1.1 200 Fine')));
});
