import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsTerminator } from '../../src/listener/tls.ts';
import { namesOf } from '../../src/listener/tls-identity.ts';
import { DEFAULT_LIMITS, PROTOCOLS } from '../../src/snapshot.ts';
import type { ServerTlsSpec } from '../../src/snapshot.ts';
import { entry, LISTENER_CA, pair, pem } from './tls-ends.ts';

const ignore = (): void => undefined;
const terminator = (...specs: ServerTlsSpec[]): TlsTerminator<null> =>
  new TlsTerminator<null>(specs, PROTOCOLS, DEFAULT_LIMITS, ignore, ignore);

const required = { clientCertificate: 'required' } as const;
const optional = { clientCertificate: 'optional' } as const;

/** Which of the authorities may not be asked for on a connection that the entry number `from` let in. */
function misdirected(some: TlsTerminator<null>, from: number, ...authorities: string[]): string[] {
  return authorities.filter((authority) => some.misdirected(some.entries[from]!, authority));
}

test('a name of another policy is misdirected, in whatever way it is written', () => {
  const some = terminator(entry('server', ['open.test']), entry('server', ['closed.test', '*.closed.test'], required));
  const open = ['open.test', 'open.test:443', 'OPEN.test', 'open.test.', 'Open.Test.:8443'];
  const closed = ['closed.test', 'closed.test:443', 'CLOSED.test', 'closed.test.', 'a.closed.test', 'A.Closed.TEST.:1'];
  assert.deepEqual(misdirected(some, 0, ...open, ...closed), closed);
  assert.deepEqual(misdirected(some, 1, ...open, ...closed), open);
});

test('any difference in what a client has to show is another policy, and nothing else is', () => {
  const other = pem('ca.pem');
  const specs = [
    entry('server', ['0.test']),
    entry('server', ['1.test'], { minVersion: 'TLSv1.3' }),
    entry('server', ['2.test'], optional),
    entry('server', ['3.test'], required),
    entry('server', ['4.test'], { ...required, clientCa: other }),
    entry('server', ['5.test'], { ...required, minVersion: 'TLSv1.3' }),
    entry('server', ['6.test'], { ...required, clientCa: LISTENER_CA + other }),
  ];
  const some = terminator(...specs);
  const names = specs.map(({ names: [name] }) => name!);
  for (const [i, name] of names.entries()) {
    assert.deepEqual(
      misdirected(some, i, ...names),
      names.filter((each) => each !== name),
      name,
    );
  }
  // Another certificate, the same authorities in another order, and one that nobody is asked for.
  const same = terminator(
    specs[6]!,
    entry('wild', ['a.test'], { ...required, clientCa: `${other}\n# as before\n${LISTENER_CA}` }),
  );
  assert.deepEqual(misdirected(same, 0, 'a.test', '6.test', 'unknown.test'), []);
  const unasked = terminator(specs[0]!, entry('server', ['a.test'], { clientCa: other }));
  assert.deepEqual(misdirected(unasked, 0, 'a.test'), []);
});

test('what no entry names falls under the first entry', () => {
  const some = terminator(entry('server', ['a.test'], required), entry('server', ['b.test']), entry('wild', ['c.test'], required)); // prettier-ignore
  const unknown = ['unknown.test', 'x.a.test:443', '127.0.0.1', '127.0.0.1:443', '[::1]:443', 'localhost'];
  assert.deepEqual(misdirected(some, 0, ...unknown), []);
  assert.deepEqual(misdirected(some, 1, ...unknown), unknown);
  assert.deepEqual(misdirected(some, 2, ...unknown), []);
});

test('what no entry names falls under `*` where there is one, but addresses under the first entry', () => {
  const some = terminator(entry('server', ['a.test'], required), entry('server', ['*']));
  assert.deepEqual(misdirected(some, 0, 'unknown.test', '127.0.0.1', '[::1]:1'), ['unknown.test']);
  assert.deepEqual(misdirected(some, 1, 'unknown.test', '127.0.0.1', '[::1]:1'), ['127.0.0.1', '[::1]:1']);
});

test('what is no host is misdirected where policies differ, and no authority is that of the connection', () => {
  const differ = terminator(entry('server', ['a.test']), entry('server', ['b.test'], required));
  const wrong = ['user@a.test', '%61.test', 'a.test:x', '[::1', ':443', 'a.test b.test', 'a.test,b.test'];
  for (const from of [0, 1]) assert.deepEqual(misdirected(differ, from, '', ...wrong), wrong);
  assert.deepEqual(misdirected(terminator(entry('server', ['a.test'])), 0, '', ...wrong), []);
});

test('new authorities are a new policy', () => {
  const some = terminator(entry('server', ['a.test'], required), entry('server', ['b.test'], required));
  const { cert: certificate, key } = pair('server');
  assert.deepEqual(misdirected(some, 0, 'b.test'), []);
  some.reload(some.entries[1]!, { certificate, key, clientCa: pem('ca.pem') });
  assert.deepEqual(misdirected(some, 0, 'a.test', 'b.test'), ['b.test']);
  some.reload(some.entries[1]!, { ...pair('other-name'), certificate: pem('other-name.pem'), clientCa: LISTENER_CA });
  assert.deepEqual(misdirected(some, 0, 'a.test', 'b.test'), []);
});

test('names of a certificate are its DNS names and URIs, and none can be made to look like two', () => {
  for (const [text, names] of [
    ['', []],
    ['DNS:a.test', ['a.test']],
    ['DNS:a.test, IP Address:127.0.0.1, URI:spiffe://b/c, email:d@e.test', ['a.test', 'spiffe://b/c']],
    ['IP Address:0:0:0:0:0:0:0:1, DNS:*.a.test', ['*.a.test']],
    [String.raw`URI:"urn:x\u002c DNS:admin.test", DNS:a.test`, ['urn:x, DNS:admin.test', 'a.test']],
    [String.raw`email:"x\", DNS:admin.test", DNS:a.test`, ['a.test']],
    [String.raw`DirName:"CN=x\u002c DNS:admin.test", DNS:a.test`, ['a.test']],
    ['othername:<unsupported>, DNS:a.test', ['a.test']],
    ['DNS:spiffe://admin, DNS:a.test', ['a.test']],
    [String.raw`DNS:"a.test\u0000.evil", DNS:a.test`, ['a.test']],
  ] as const) {
    assert.deepEqual(namesOf(text), names, text);
  }
});
