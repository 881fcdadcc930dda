import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { TlsEntry } from '../../src/listener/tls-entry.ts';
import { identityOf } from '../../src/listener/tls-identity.ts';
import type { TlsIdentity } from '../../src/listener/tls-identity.ts';
import { TlsTerminator } from '../../src/listener/tls.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { Protocol } from '../../src/snapshot.ts';
import { pattern } from '../io/pattern.ts';
import { drink, sleep, until } from '../io/wire.ts';
import { Random } from '../support/random.ts';
import { clientHello, dial, entry, listen, pair, pem, plain } from './tls-ends.ts';
import type { Ends } from './tls-ends.ts';

const LOCALHOST = entry('server', ['localhost']);
const OTHER = entry('other-name', ['other.test']);
const WILD = entry('wild', ['*.wild.test', 'wild.test']);
const READER = pair('reader');
const FINGERPRINT = 'da8e01a803fb8521b4216104ddbc411e86f8f4ed666b126f5e5878e873cc3fbd';
/** Signed by an authority that the listener does not trust. */
const STRANGER = pair('client');

const CLOSED = 'TLS: the listener is closed';
const ignore = (): void => undefined;
const shown = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN);

/** What the terminator says of the next client that it lets in. */
async function admitted(t: TestContext, ends: Ends, options: ConnectionOptions = {}): Promise<TlsIdentity> {
  const { localPort } = await dial(t, ends, options);
  const own = (): TLSSocket | undefined =>
    ends.secure.map(({ socket }) => socket).find(({ remotePort }) => remotePort === localPort);
  await until(() => own() !== undefined, 'a client that is let in');
  return identityOf(own()!);
}

/** The client is refused and its socket closed: how it says so, and how the terminator does. */
async function refused(
  t: TestContext,
  ends: Ends,
  options: ConnectionOptions = {},
  sessions: Buffer[] = [],
): Promise<{ client: string; why: string }> {
  const [secure, failed] = [ends.secure.length, ends.failed.length];
  let client = '';
  try {
    const socket = await dial(t, ends, options, sessions);
    socket.resume().once('end', () => socket.end());
    socket.on('error', (error: Error) => (client = error.message));
    await once(socket, 'close');
  } catch (error) {
    client = (error as Error).message;
  }
  await until(() => ends.failed.length > failed, 'a failure');
  await until(() => ends.wires.at(-1)!.destroyed, 'a closed socket');
  await sleep(5);
  assert.deepEqual([ends.secure.length, ends.failed.length, ends.terminator.handshaking], [secure, failed + 1, 0]);
  const { message, remote } = ends.failed.at(-1)!;
  assert.match(remote, /^127\.0\.0\.1:[1-9]\d*$/);
  return { client, why: message };
}

/** Bytes go both ways, to the end. */
async function talks(client: TLSSocket, server: TLSSocket): Promise<void> {
  const [question, answer] = [drink(server), drink(client)];
  client.end('question');
  assert.equal((await question).toString(), 'question');
  server.end('answer');
  assert.equal((await answer).toString(), 'answer');
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const only = { minVersion: version, maxVersion: version };

  test(`${version}: the name that a client gives chooses the certificate`, async (t) => {
    const ends = await listen(t, [LOCALHOST, OTHER, WILD, entry('client', ['a.wild.test'])]);
    for (const [servername, name] of [
      ['localhost', 'localhost'],
      ['other.test', 'other.test'],
      ['OTHER.Test', 'other.test'],
      ['wild.test', 'wild'],
      ['b.wild.test', 'wild'],
      ['a.wild.test', 'gateway'],
    ] as const) {
      const client = await dial(t, ends, { servername, ...only, rejectUnauthorized: false });
      await until(() => ends.secure.length > 0);
      const { socket, entry } = ends.secure.pop()!;
      assert.equal(shown(client), name, servername);
      assert.equal(ends.terminator.entryFor(servername), entry);
      const { serverName, version: spoken } = identityOf(socket);
      assert.deepEqual([serverName, spoken], [servername.toLowerCase(), version]);
      await talks(client, socket);
    }
    assert.deepEqual([ends.failed, ends.terminator.handshaking], [[], 0]);
  });

  test(`${version}: a client that names nothing gets the first entry`, async (t) => {
    const ends = await listen(t, [OTHER, LOCALHOST, entry('wild', ['*'])]);
    const client = await dial(t, ends, only);
    assert.equal(shown(client), 'other.test');
    await until(() => ends.secure.length > 0);
    const { socket, entry: own } = ends.secure[0]!;
    assert.equal(own, ends.terminator.entries[0]);
    assert.deepEqual(identityOf(socket), {
      ...{ serverName: null, alpn: null, version },
      ...{ subject: null, fingerprint: null, names: [] },
    });
  });

  test(`${version}: each direction ends on its own`, async (t) => {
    const ends = await listen(t, [LOCALHOST]);
    for (const first of ['client', 'server']) {
      const client = await dial(t, ends, only);
      await until(() => ends.secure.length > 0);
      const { socket: server } = ends.secure.pop()!;
      const [one, other] = first === 'client' ? [client, server] : [server, client];
      const heard = drink(other);
      const late = drink(one);
      one.end('first');
      assert.equal((await heard).toString(), 'first');
      await sleep(10);
      assert.ok(!one.destroyed && !other.destroyed, 'a half-open connection was closed');
      other.write('still ');
      await sleep(5);
      other.end('here');
      assert.equal((await late).toString(), 'still here');
      await until(() => server.destroyed && ends.wires.at(-1)!.destroyed, 'the end of both');
    }
  });

  test(`${version}: a client certificate that is required is enforced`, async (t) => {
    const ends = await listen(t, [entry('server', ['localhost'], { clientCertificate: 'required' })]);
    const { subject, fingerprint, names } = await admitted(t, ends, { ...only, ...READER });
    assert.equal(subject, String.raw`CN=Reader\, of speech,O=frameway tests`);
    assert.equal(fingerprint, FINGERPRINT);
    assert.deepEqual(names, ['reader.test', 'spiffe://frameway.test/ns/asr/sa/reader', 'urn:odd, DNS:admin.test']);
    assert.match((await refused(t, ends, only)).why, /^TLS: peer did not return a certificate$/);
    const { why } = await refused(t, ends, { ...only, ...STRANGER });
    assert.match(why, /^TLS: the client's certificate is refused \(SELF_SIGNED_CERT_IN_CHAIN\)$/);
    // Of the right authority, but only good for a server.
    assert.match((await refused(t, ends, { ...only, ...pair('wild') })).why, /\(INVALID_PURPOSE\)$/);
  });

  test(`${version}: a client certificate that is optional may be missing, but not bad`, async (t) => {
    const ends = await listen(t, [entry('server', ['localhost'], { clientCertificate: 'optional' })]);
    assert.match((await admitted(t, ends, { ...only, ...READER })).subject ?? '', /^CN=Reader/);
    assert.equal((await admitted(t, ends, only)).subject, null);
    for (const client of [STRANGER, pair('wild')]) {
      const { why } = await refused(t, ends, { ...only, ...client });
      assert.match(why, /^TLS: the client's certificate is refused \(/);
    }
  });

  test(`${version}: a client certificate that nobody asked for is not believed`, async (t) => {
    const ends = await listen(t, [LOCALHOST]);
    for (const client of [READER, STRANGER]) {
      const { subject, names } = await admitted(t, ends, { ...only, ...client });
      assert.deepEqual([subject, names], [null, []]);
    }
  });

  test(`${version}: MiB in both directions at once arrive in order before readers that are slow`, async (t) => {
    const ends = await listen(t, [LOCALHOST]);
    const client = await dial(t, ends, only);
    await until(() => ends.secure.length > 0);
    const { socket: server } = ends.secure[0]!;
    const random = new Random(5);
    const slow = (socket: TLSSocket): void =>
      void socket.on('data', () => {
        if (!random.chance(0.05)) return;
        socket.pause();
        setTimeout(() => socket.resume(), random.between(0, 2));
      });
    const [question, answer] = [pattern(6 * 1024 * 1024 + 77), pattern(5 * 1024 * 1024 + 1)];
    const all = Promise.all([drink(server), drink(client)]);
    slow(server);
    slow(client);
    client.end(question);
    server.end(answer);
    const [atServer, atClient] = await all;
    assert.ok(atServer.equals(question), 'the question was changed');
    assert.ok(atClient.equals(answer), 'the answer was changed');
  });
}

test('a name that no entry has is for the listener to refuse', async (t) => {
  const { terminator } = await listen(t, [LOCALHOST, WILD]);
  for (const name of ['other.test', 'a.b.wild.test', '']) assert.equal(terminator.entryFor(name), null, name);
  for (const address of ['127.0.0.1', '::1']) assert.equal(terminator.entryFor(address), terminator.entries[0]);
  const none = await listen(t, []);
  assert.deepEqual([none.terminator.entryFor(null), none.terminator.entryFor('localhost')], [null, null]);
});

test('ALPN is narrowed to what the listener allows, h2 before http/1.1', async (t) => {
  const both = ['http/1.1', 'h2'];
  for (const [protocols, offered, alpn] of [
    [['h2', 'http1', 'tls', 'tcp'], both, 'h2'],
    [['h2', 'http1', 'tls', 'tcp'], ['http/1.1'], 'http/1.1'],
    [['h2', 'http1', 'tls', 'tcp'], ['h2'], 'h2'],
    [['h2', 'http1', 'tls', 'tcp'], ['mqtt', 'http/1.1'], 'http/1.1'],
    [['http1', 'tls'], both, 'http/1.1'],
    [['h2', 'tls'], both, 'h2'],
    [['h2', 'http1', 'tls'], undefined, null],
    [['tls', 'tcp'], both, null],
  ] as [Protocol[], string[] | undefined, string | null][]) {
    const ends = await listen(t, [LOCALHOST], { protocols });
    const options = offered === undefined ? {} : { ALPNProtocols: offered };
    assert.equal((await admitted(t, ends, options)).alpn, alpn, `${protocols.join()} ${String(offered)}`);
  }
});

test('a client that offers no protocol in common gets the alert for it', async (t) => {
  for (const [protocols, offered] of [
    [['h2', 'http1', 'tls', 'tcp'], 'mqtt'],
    [['h2', 'tls'], 'http/1.1'],
    [['http1', 'tls'], 'h2'],
  ] as [Protocol[], string][]) {
    const ends = await listen(t, [LOCALHOST], { protocols });
    const { client, why } = await refused(t, ends, { ALPNProtocols: [offered] });
    assert.match(client, /alert no application protocol/);
    assert.equal(why, 'TLS: no application protocol');
  }
});

test('versions of TLS before 1.2 are refused, and 1.2 where 1.3 is asked for', async (t) => {
  const old = { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  for (const maxVersion of ['TLSv1', 'TLSv1.1'] as const) {
    const { client, why } = await refused(t, await listen(t, [LOCALHOST]), { ...old, maxVersion });
    assert.match(client, /alert protocol version/);
    assert.equal(why, 'TLS: unsupported protocol');
  }
  const ends = await listen(t, [LOCALHOST, entry('other-name', ['other.test'], { minVersion: 'TLSv1.3' })]);
  const at = (servername: string): ConnectionOptions => ({ servername, maxVersion: 'TLSv1.2' });
  assert.equal((await admitted(t, ends, at('localhost'))).version, 'TLSv1.2');
  assert.match((await refused(t, ends, at('other.test'))).client, /alert protocol version/);
  assert.equal((await admitted(t, ends, { servername: 'other.test' })).version, 'TLSv1.3');
});

test('a TLS 1.2 connection is not renegotiated, and lives on', async (t) => {
  const ends = await listen(t, [LOCALHOST]);
  const client = await dial(t, ends, { maxVersion: 'TLSv1.2' });
  await until(() => ends.secure.length > 0);
  const { socket: server } = ends.secure[0]!;
  const again = new Promise<Error | null>((resolve) => {
    client.on('error', resolve);
    client.renegotiate({}, resolve);
  });
  assert.match((await again)?.message ?? '', /no.renegotiation/);
  assert.equal(server.destroyed, false);
});

/** A session of a client that is let in. */
async function sessionOf(t: TestContext, ends: Ends, options: ConnectionOptions): Promise<Buffer> {
  const sessions: Buffer[] = [];
  const client = await dial(t, ends, options, sessions);
  client.resume();
  await until(() => sessions.length > 0, 'a session');
  return sessions.at(-1)!;
}

async function resumes(t: TestContext, ends: Ends, options: ConnectionOptions): Promise<boolean> {
  const before = ends.secure.length;
  const client = await dial(t, ends, options);
  await until(() => ends.secure.length > before, 'a client that is let in');
  return client.isSessionReused();
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const only = { minVersion: version, maxVersion: version };

  test(`${version}: a session is resumed under the entry that gave it, and no other`, async (t) => {
    // The same certificate and the same policy: nothing but the entry tells them apart.
    const ends = await listen(t, [
      entry('server', ['a.test']),
      entry('server', ['b.test']),
      entry('server', ['c.test'], { clientCertificate: 'optional' }),
    ]);
    const session = await sessionOf(t, ends, { servername: 'a.test', ...only });
    assert.equal(await resumes(t, ends, { servername: 'a.test', ...only, session }), true);
    for (const servername of ['b.test', 'c.test']) {
      assert.equal(await resumes(t, ends, { servername, ...only, session }), false, servername);
    }
  });

  test(`${version}: who got in under one entry does not get past another's certificate with that session`, async (t) => {
    const ends = await listen(t, [LOCALHOST, entry('other-name', ['other.test'], { clientCertificate: 'required' })]);
    const session = await sessionOf(t, ends, { servername: 'localhost', ...only });
    const { why } = await refused(t, ends, { servername: 'other.test', ...only, session });
    assert.equal(why, 'TLS: peer did not return a certificate');
  });

  test(`${version}: a session remembers what its client showed, and a refused one does not get in by it`, async (t) => {
    for (const clientCertificate of ['required', 'optional'] as const) {
      const ends = await listen(t, [entry('server', ['localhost'], { clientCertificate })]);
      const session = await sessionOf(t, ends, { ...only, ...READER });
      assert.equal(await resumes(t, ends, { ...only, session }), true);
      assert.equal(identityOf(ends.secure.at(-1)!.socket).fingerprint, FINGERPRINT);

      // The ticket may have left before Node looks at the certificate.
      const bad: Buffer[] = [];
      await refused(t, ends, { ...only, ...STRANGER }, bad);
      for (const given of bad) await refused(t, ends, { ...only, session: given });
    }
    const ends = await listen(t, [entry('server', ['localhost'], { clientCertificate: 'optional' })]);
    const session = await sessionOf(t, ends, only);
    assert.equal(await resumes(t, ends, { ...only, session }), true);
    assert.equal(identityOf(ends.secure.at(-1)!.socket).subject, null);
  });

  test(`${version}: new texts serve new handshakes, and end no connection`, async (t) => {
    const ends = await listen(t, [entry('server', ['localhost'], { clientCertificate: 'optional' })]);
    const [own] = ends.terminator.entries;
    const before = await dial(t, ends, { ...only, ...READER });
    await until(() => ends.secure.length === 1);
    const session = await sessionOf(t, ends, only);
    const { cert: certificate, key } = pair('other-name');
    ends.terminator.reload(own!, { certificate, key, clientCa: pem('ca.pem') });
    const after = await dial(t, ends, only);
    assert.deepEqual([shown(before), shown(after)], ['localhost', 'other.test']);
    assert.equal(await resumes(t, ends, { ...only, session }), false);
    // Those whom the new authority signed get in, and the others do not.
    assert.match((await admitted(t, ends, { ...only, ...STRANGER })).subject ?? '', /^CN=/);
    await refused(t, ends, { ...only, ...READER });
    await talks(before, ends.secure[0]!.socket);

    const kept = await sessionOf(t, ends, only);
    ends.terminator.reload(own!, { certificate, key, clientCa: pem('ca.pem') });
    assert.equal(await resumes(t, ends, { ...only, session: kept }), true, 'the same texts are no change');
  });
}

test('texts that cannot be used change nothing, and the error says what is wrong without quoting it', async (t) => {
  const ends = await listen(t, [entry('server', ['localhost', 'b.test'], { clientCertificate: 'optional' })]);
  const [own] = ends.terminator.entries;
  const { server, policy } = own!;
  const { certificate, key, clientCa } = own!.spec;
  const good = { certificate, key, clientCa };
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const form = { type: 'pkcs8', format: 'pem' } as const;
  const locked = ec.export({ ...form, cipher: 'aes-256-cbc', passphrase: 'secret' });
  const broken = certificate.replace(/^(.*\n.*\n).*\n/, '$1');
  for (const [texts, why] of [
    [{ certificate: '' }, /the certificate is not in PEM form/],
    [{ certificate: certificate.slice(0, 300) }, /the certificate is not in PEM form/],
    [{ certificate: broken }, /the certificate cannot be read \(number 1/],
    [{ certificate: certificate + broken }, /the certificate cannot be read \(number 2/],
    [{ certificate: pem('other-name.pem') }, /the key is not that of the certificate/],
    [{ key: '' }, /the key cannot be read/],
    [{ key: key.slice(0, 100) }, /the key cannot be read/],
    [{ key: certificate }, /the key cannot be read/],
    [{ key: locked as string }, /the key cannot be read \(PEM without a passphrase\)/],
    [{ key: rsa.export(form) as string }, /the key is not that of the certificate/],
    [{ key: ec.export(form) as string }, /the key is not that of the certificate/],
    [{ clientCa: null }, /no authority is trusted/],
    [{ clientCa: 'none' }, /the client CA is not in PEM form/],
    [{ clientCa: clientCa! + broken }, /the client CA cannot be read \(number 2/],
  ] as [Partial<typeof good>, RegExp][]) {
    assert.throws(
      () => ends.terminator.reload(own!, { ...good, ...texts }),
      (error: Error) => {
        assert.match(error.message, why);
        assert.match(error.message, /^TLS for localhost, b\.test: /);
        assert.ok(error.message.length < 120 && !/[A-Za-z0-9+/=]{40}/.test(error.message), 'it quotes a file');
        return true;
      },
    );
    assert.deepEqual([own!.server === server, own!.policy], [true, policy]);
  }
  const client = await dial(t, ends);
  assert.equal(shown(client), 'localhost');
  assert.match((await admitted(t, ends, READER)).subject ?? '', /^CN=Reader/);
  assert.throws(
    () => new TlsTerminator<null>([{ ...own!.spec, key: '' }], [], DEFAULT_LIMITS, ignore, ignore),
    /TLS for localhost/,
  );
});

test('a client that stalls in its handshake is cut off, wherever it does so', async (t) => {
  const hello = await clientHello(t);
  for (const sent of [1, 6, hello.length - 1, hello.length]) {
    const ends = await listen(t, [LOCALHOST], { handshakeTimeout: 50, sniff: sent });
    const client = await plain(t, ends);
    const closed = once(client, 'close');
    client.resume().write(hello.subarray(0, sent));
    await until(() => ends.terminator.handshaking === 1);
    await closed;
    await until(() => ends.wires[0]!.destroyed);
    assert.deepEqual(ends.failed, [{ message: 'TLS: the handshake took too long', remote: ends.failed[0]!.remote }]);
    assert.match(ends.failed[0]!.remote, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([ends.secure.length, ends.terminator.handshaking], [0, 0]);
  }
});

test('a client that sends its handshake an octet at a time has no longer than any other', async (t) => {
  const hello = await clientHello(t);
  const ends = await listen(t, [LOCALHOST], { handshakeTimeout: 100, sniff: 6 });
  const client = await plain(t, ends);
  client.resume().write(hello.subarray(0, 6));
  const began = performance.now();
  for (let at = 6; at < hello.length - 1 && ends.failed.length === 0; at++) {
    client.write(hello.subarray(at, at + 1));
    await sleep(5);
  }
  const took = performance.now() - began;
  assert.equal(ends.failed[0]?.message, 'TLS: the handshake took too long');
  assert.ok(took < 1000, `${took} ms`);
});

test('the timeout ends with the handshake', async (t) => {
  const ends = await listen(t, [LOCALHOST], { handshakeTimeout: 60 });
  const client = await dial(t, ends);
  await until(() => ends.secure.length > 0);
  await sleep(150);
  assert.deepEqual(ends.failed, []);
  await talks(client, ends.secure[0]!.socket);
});

test('a client that goes away in its handshake is told of once, whether by FIN or by RST', async (t) => {
  const hello = await clientHello(t);
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const ends = await listen(t, [LOCALHOST]);
    const client = await plain(t, ends);
    client.resume().write(hello);
    await once(client, 'data');
    const remote = `127.0.0.1:${client.localPort}`;
    client[leave]();
    await until(() => ends.failed.length > 0 && ends.wires[0]!.destroyed, leave);
    await sleep(5);
    assert.equal(ends.failed.length, 1);
    assert.match(ends.failed[0]!.message, /^TLS: the client went away during the handshake$|ECONNRESET/);
    assert.deepEqual([ends.failed[0]!.remote, ends.terminator.handshaking], [remote, 0]);
  }
});

test('a FIN that came with the first bytes, or with a part of them, ends the handshake', async (t) => {
  const hello = await clientHello(t);
  for (const sniff of [100, hello.length]) {
    const ends = await listen(t, [LOCALHOST], { sniff });
    const client = await plain(t, ends);
    client.resume().end(hello.subarray(0, sniff));
    await once(client, 'close');
    await until(() => ends.failed.length > 0);
    assert.deepEqual([ends.failed.length, ends.secure.length, ends.terminator.handshaking], [1, 0, 0]);
    assert.equal(ends.failed[0]!.message, 'TLS: the client went away during the handshake');
  }
});

test('what is no handshake is refused with an alert', async (t) => {
  const ends = await listen(t, [LOCALHOST], { sniff: 1 });
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x00\x05hello', '\x15\x03\x01\x00\x02\x02\x28']) {
    const { length } = ends.failed;
    const client = await plain(t, ends);
    client.end(Buffer.from(bytes, 'latin1'));
    client.resume();
    await once(client, 'close');
    await until(() => ends.failed.length > length);
    assert.match(ends.failed.at(-1)!.message, /^TLS: [a-z0-9 /]+$/);
  }
  assert.deepEqual([ends.secure, ends.terminator.handshaking], [[], 0]);
});

test('a ClientHello is the same in one chunk and in many, put back at once or not', async (t) => {
  const ways: ((socket: Socket, bytes: Buffer) => void)[] = [
    (socket, bytes) => {
      for (let at = bytes.length; at > 0; at -= 7) socket.unshift(bytes.subarray(Math.max(0, at - 7), at));
    },
    (socket, bytes) => {
      socket.unshift(bytes.subarray(5));
      socket.unshift(bytes.subarray(0, 5));
    },
  ];
  for (const sniff of [1, 5, 6, 100, undefined]) {
    for (const replay of [undefined, ...ways]) {
      const rest = { ...(sniff !== undefined && { sniff }), ...(replay !== undefined && { replay }) };
      const ends = await listen(t, [LOCALHOST], { ...rest, choose: ({ entries }) => entries[0]! });
      const client = await dial(t, ends);
      await until(() => ends.secure.length > 0);
      await talks(client, ends.secure[0]!.socket);
    }
  }
});

test('what the client sends with the end of its handshake is not lost before somebody reads', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const ends = await listen(t, [LOCALHOST]);
    const client = await dial(t, ends, { maxVersion });
    client.end('at once');
    await until(() => ends.secure.length > 0);
    await sleep(20);
    const { socket } = ends.secure[0]!;
    assert.equal((await drink(socket)).toString(), 'at once');
    socket.end();
  }
});

test('a client that was given to another entry than the one it names is refused', async (t) => {
  const choose = ({ entries }: TlsTerminator<null>): TlsEntry => entries[1]!;
  const ends = await listen(t, [LOCALHOST, OTHER], { choose });
  assert.equal((await refused(t, ends, { servername: 'localhost' })).why, 'TLS: another server name');
  assert.equal((await refused(t, ends)).why, 'TLS: another server name');
  assert.equal((await admitted(t, ends, { servername: 'other.test' })).serverName, 'other.test');
});

test('an error after the handshake is never without a handler', async (t) => {
  const ends = await listen(t, [LOCALHOST]);
  for (const harm of [
    (wire: Socket) => wire.resetAndDestroy(),
    (wire: Socket) => wire.write('no TLS at all, and longer than the head of a record'),
  ]) {
    const wire = await plain(t, ends);
    await dial(t, ends, { socket: wire });
    await until(() => ends.secure.length > 0);
    const { socket } = ends.secure.pop()!;
    assert.ok(socket.listenerCount('error') > 0, 'the socket over TLS');
    assert.ok(ends.wires.at(-1)!.listenerCount('error') > 0, 'the socket below');
    socket.resume();
    const failed = once(socket, 'error');
    harm(wire);
    await failed;
    socket.destroy();
    await until(() => ends.wires.at(-1)!.destroyed);
  }
  assert.deepEqual(ends.failed, []);
});

test('closing ends the handshakes that are under way, and no connection', async (t) => {
  const hello = await clientHello(t);
  const ends = await listen(t, [LOCALHOST]);
  const client = await dial(t, ends);
  const stalled = await plain(t, ends);
  stalled.resume().write(hello);
  await until(() => ends.secure.length > 0 && ends.terminator.handshaking === 1);
  ends.terminator.close();
  await once(stalled, 'close');
  await until(() => ends.failed.length > 0);
  assert.deepEqual([ends.failed.map(({ message }) => message), ends.terminator.handshaking], [[CLOSED], 0]);
  const late = await plain(t, ends);
  late.resume().write(hello);
  await once(late, 'close');
  assert.deepEqual([ends.failed.map(({ message }) => message), ends.terminator.handshaking], [[CLOSED, CLOSED], 0]);
  await talks(client, ends.secure[0]!.socket);
});

test('a socket that is gone already is no handshake', async (t) => {
  const ends = await listen(t, [LOCALHOST], { replay: (socket) => socket.destroy() });
  const client = await plain(t, ends);
  client.resume().write(await clientHello(t));
  await until(() => ends.failed.length > 0);
  assert.deepEqual([ends.failed[0]!.message, ends.terminator.handshaking], ['TLS: the client went away', 0]);
});
