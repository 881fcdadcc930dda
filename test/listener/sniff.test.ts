import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PREFACE } from '../../src/h2/frame.ts';
import { MAX_FIRST_LINE, Sniffer } from '../../src/listener/sniff.ts';
import type { Sniffed } from '../../src/listener/sniff.ts';
import { Random } from '../support/random.ts';

const bytes = (octets: string | Buffer): Buffer =>
  typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
const sniff = (octets: string | Buffer): Sniffed => new Sniffer().push(bytes(octets), 0, octets.length);
const hex = (octets: string): Buffer => Buffer.from(octets.replaceAll(' ', ''), 'hex');

/** The verdict, the octets that it takes, and some that may follow. */
const EXAMPLES: readonly [verdict: Sniffed, head: string | Buffer, rest?: string][] = [
  ['h2', PREFACE.subarray(0, 12), PREFACE.toString('latin1', 12)],
  ['h2', 'PRI * HTTP/2', '.0\r\n\r\nXX\r\n\r\n'],
  ['h2', 'PRI * HTTP/2', '.0\r\nGET / HTTP/1.1\r\n\r\n'],
  ['http1', 'GET ', '/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['http1', '\r\nGET ', '/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['http1', 'CONNECT ', 'example.com:443 HTTP/1.1\r\n\r\n'],
  ['http1', 'OPTIONS ', '* HTTP/1.1\r\n\r\n'],
  // A registered method with a bad rest, which HTTP/1 answers with 400.
  ['http1', 'GET ', '\0\xff'],
  ['http1', 'GET ', ' / HTTP/1.1\r\n'],
  ['http1', 'POST ', '/x\r\n'],
  ['http1', 'GET ', '/ HTTP/3.0\r\n'],
  // Any other method, once the whole line says HTTP/1.
  ['http1', 'M-SEARCH * HTTP/1.1', '\r\n\r\n'],
  ['http1', 'get / HTTP/1.0', '\r\n\r\n'],
  ['http1', '\r\nBREW / HTTP/1.1', '\r\n\r\n'],
  ['http1', 'PRI * HTTP/1.1', '\r\n\r\n'],
  ['http1', 'PROXYX TCP4 HTTP/1.1', '\r\n\r\n'],
  ['tls', hex('16 03 01 02 00 01'), '\0\x01\xfc\x03\x03'],
  ['tls', hex('16 03 00 00 01 01')],
  ['tls', hex('16 03 04 40 00 01')],
  ['proxy', 'PROXY ', 'TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
  ['proxy', 'PROXY ', 'UNKNOWN\r\n'],
  ['proxy', '\r\n\r\n\0\r\nQUIT\n', '\x21\x11\0\x0c'],
  // Text that is none of these: SSH, SMTP, Redis, IMAP, memcached, STOMP, SIP.
  ['tcp', 'SSH-2.0-OpenSSH_9.2p1\r', '\n'],
  ['tcp', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r', '\n'],
  ['tcp', 'EHLO example.com\r', '\n'],
  ['tcp', 'PING\r', '\n'],
  ['tcp', '*1\r', '\n$4\r\nPING\r\n'],
  ['tcp', 'a001 LOGIN u', 'ser password\r\n'],
  ['tcp', 'set a 0', ' 0 5\r\nhello\r\n'],
  ['tcp', 'CONNECT\n', 'accept-version:1.2\n\n\0'],
  ['tcp', 'REGISTER sip:a S', 'IP/2.0\r\n'],
  ['tcp', '{', '"jsonrpc":"2.0"}\n'],
  // Almost a request line, or a preface.
  ['tcp', 'GET\r', '\n'],
  ['tcp', 'GET\t', '/ HTTP/1.1\r\n'],
  ['tcp', 'BREW  ', 'HTTP/1.1\r\n'],
  ['tcp', 'BREW / HTTP/2', '.0\r\n'],
  ['tcp', 'BREW / HTTP/1.x', '\r\n'],
  ['tcp', 'BREW / h', 'ttp/1.1\r\n'],
  ['tcp', 'BREW /a\0', ' HTTP/1.1\r\n'],
  ['tcp', 'BREW /\x7f', ' HTTP/1.1\r\n'],
  ['tcp', 'BREW /\xe9', ' HTTP/1.1\r\n'],
  ['tcp', 'BREW / HTTP/1.\r', '\n'],
  ['tcp', 'PRI * HTTPS', '/2.0\r\n\r\nSM\r\n\r\n'],
  ['tcp', 'PROXY\0', ' HTTP/1.1\r\n'],
  ['tcp', ' ', 'GET / HTTP/1.1\r\n'],
  ['tcp', '\n', 'GET / HTTP/1.1\r\n'],
  ['tcp', '\rG', 'ET / HTTP/1.1\r\n'],
  ['tcp', '\r\n ', 'GET / HTTP/1.1\r\n'],
  ['tcp', '\r\n\rG', 'ET / HTTP/1.1\r\n'],
  ['tcp', '\r\n\r\nG', 'ET / HTTP/1.1\r\n'],
  ['tcp', '\r\nPRI * HTTP/2', '.0\r\n\r\nSM\r\n\r\n'],
  ['tcp', '\r\n\r\n\x01', '\r\nQUIT\n'],
  ['tcp', '\r\n\r\n\0\r\nQUIT\r', '\n'],
  // MQTT CONNECT, Postgres (SSLRequest, startup), SOCKS 5, MongoDB, DNS over TCP.
  ['tcp', hex('10'), '\x0c\0\x04MQTT\x04\x02\0\x3c\0\0'],
  ['tcp', hex('00'), '\0\0\x08\x04\xd2\x16\x2f'],
  ['tcp', hex('00'), '\0\0\x29\0\x03\0\0user\0'],
  ['tcp', hex('05'), '\x01\0'],
  ['tcp', hex('3a'), '\0\0\0\x01\0\0\0'],
  ['tcp', hex('00'), '\x1d\x124\x01\0\0\x01'],
  // Almost a ClientHello.
  ['tcp', hex('16 02'), '\x01\x02\0\x01'],
  ['tcp', hex('16 03 05'), '\x02\0\x01'],
  ['tcp', hex('16 03 01 41'), '\0\x01'],
  ['tcp', hex('16 03 01 40 01'), '\x01'],
  ['tcp', hex('16 03 01 00 00'), '\x01'],
  ['tcp', hex('16 03 01 02 00 02')],
  ['tcp', hex('15'), '\x03\x01\0\x02\x02\x28'],
];
const WHOLE = EXAMPLES.map(([verdict, head, rest = '']) => {
  const octets = Buffer.concat([bytes(head), bytes(rest)]);
  return { verdict, octets, length: head.length, name: JSON.stringify(octets.toString('latin1')) };
});

test('each protocol is told by its first bytes, at the first of them that is certain', () => {
  for (const { verdict, octets, length, name } of WHOLE) {
    assert.equal(sniff(octets), verdict, name);
    assert.equal(sniff(octets.subarray(0, length)), verdict, `${name} by octet ${length}`);
    assert.equal(sniff(octets.subarray(0, length - 1)), 'more', `${name} before octet ${length}`);
  }
});

test('a verdict is the same wherever the bytes are split, and every prefix of it gives more or the verdict', () => {
  for (const { verdict, octets, length, name } of WHOLE) {
    for (let cut = 0; cut <= octets.length; cut++) {
      const sniffer = new Sniffer();
      assert.equal(sniffer.push(octets, 0, cut), cut < length ? 'more' : verdict, `${name} up to ${cut}`);
      assert.equal(sniffer.push(octets, cut, octets.length), verdict, `${name} cut at ${cut}`);
    }
    const sniffer = new Sniffer();
    for (let at = 0; at < octets.length; at++) sniffer.push(octets.subarray(at, at + 1), 0, 1);
    assert.equal(sniffer.push(octets, 0, 0), verdict, `${name} octet by octet`);
  }
});

test('a connection that ends undecided is TCP, and one that was decided stays what it is', () => {
  for (const { verdict, octets, length, name } of WHOLE) {
    for (let cut = 0; cut <= octets.length; cut++) {
      const sniffer = new Sniffer();
      sniffer.push(octets, 0, cut);
      const final = cut < length ? 'tcp' : verdict;
      assert.equal(sniffer.end(), final, `${name} ended after ${cut}`);
      assert.equal(sniffer.push(bytes('GET / HTTP/1.1\r\n'), 0, 16), final, 'a verdict is final');
    }
  }
});

test('every method of the IANA registry is HTTP/1 at its space, but for the two that no request may bear', () => {
  const registry =
    '* ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR ' +
    'MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT ' +
    'SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL';
  for (const method of registry.split(' ')) {
    assert.equal(sniff(method), 'more', method);
    assert.equal(sniff(`${method} `), method === '*' || method === 'PRI' ? 'more' : 'http1', method);
    assert.equal(sniff(`${method}X `), 'more', `${method}X`);
    assert.equal(sniff(`X${method} / HTTP/1.1`), 'http1', `X${method}`);
  }
});

test('a first line may have 16 KiB and no more', () => {
  const line = (length: number): string => {
    const rest = ' HTTP/1.1';
    return `BREW /${'a'.repeat(length - 'BREW /'.length - rest.length)}${rest}`;
  };
  assert.equal(sniff(line(MAX_FIRST_LINE)), 'http1');
  assert.equal(sniff(line(MAX_FIRST_LINE + 1)), 'tcp');
  assert.equal(sniff('a'.repeat(MAX_FIRST_LINE - 1)), 'more');
  assert.equal(sniff('a'.repeat(MAX_FIRST_LINE)), 'tcp');
  assert.equal(sniff(`BREW ${'a'.repeat(MAX_FIRST_LINE - 6)}`), 'more');
  assert.equal(sniff(`BREW ${'a'.repeat(MAX_FIRST_LINE - 5)}`), 'tcp');
});

/** `buffer`, whose octets are counted as they are read; no other property of it is used. */
function counted(buffer: Buffer): { buffer: Buffer; reads: Uint32Array } {
  const reads = new Uint32Array(buffer.length);
  const get = (target: Buffer, key: string | symbol): unknown => {
    assert.ok(typeof key === 'string' && /^\d+$/.test(key), `it asked for ${String(key)}`);
    reads[Number(key)]!++;
    return target[Number(key)];
  };
  return { buffer: new Proxy(buffer, { get }), reads };
}

test('each byte is looked at once, also when 16 KiB come byte by byte, and none after the verdict', () => {
  for (const step of [1, 7, MAX_FIRST_LINE]) {
    const { buffer, reads } = counted(Buffer.alloc(2 * MAX_FIRST_LINE, 'a'));
    const sniffer = new Sniffer();
    for (let at = 0; at + step <= reads.length; at += step) sniffer.push(buffer, at, at + step);
    assert.equal(sniffer.end(), 'tcp');
    assert.ok(
      reads.subarray(0, MAX_FIRST_LINE).every((n) => n === 1),
      'once each',
    );
    assert.ok(
      reads.subarray(MAX_FIRST_LINE).every((n) => n === 0),
      'nothing behind the verdict',
    );
  }
});

test('what is remembered of 16 KiB is a handful of octets', () => {
  const sniffer = new Sniffer();
  for (let n = 0; n < MAX_FIRST_LINE - 1; n++) sniffer.push(bytes('a'), 0, 1);
  assert.ok(JSON.stringify(sniffer).length < 300, JSON.stringify(sniffer));
});

test('no bytes make it throw, read outside of its range or change its mind', () => {
  const random = new Random(5);
  for (let round = 0; round < 20_000; round++) {
    const octets = random.chance(0.2) ? random.octets(random.below(64)) : Buffer.from(random.pick(WHOLE).octets);
    for (let n = random.below(4); n > 0 && octets.length > 0; n--)
      octets[random.below(octets.length)] = random.below(256);
    const cuts = [0, ...random.cuts(octets.length, 3), octets.length];
    const margin = random.below(20);
    const wide = Buffer.concat([random.octets(margin), octets, random.octets(20)]);
    const sniffer = new Sniffer();
    let verdict: Sniffed = 'more';
    for (let i = 1; i < cuts.length; i++) {
      const { buffer, reads } = counted(wide);
      const now = sniffer.push(buffer, margin + cuts[i - 1]!, margin + cuts[i]!);
      assert.ok(verdict === 'more' || now === verdict, `${octets.toString('hex')}: first ${verdict}, then ${now}`);
      verdict = now;
      const outside = reads.findIndex((n, at) => n > 0 && (at < margin + cuts[i - 1]! || at >= margin + cuts[i]!));
      assert.equal(outside, -1, octets.toString('hex'));
    }
    assert.equal(verdict, sniff(octets), octets.toString('hex'));
    assert.notEqual(sniffer.end(), 'more');
  }
});
