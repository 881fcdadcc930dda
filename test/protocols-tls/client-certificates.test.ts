import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { entry, LISTENER_CA, pem } from '../listener/tls-ends.ts';
import type { Origin } from '../../src/relay/origin.ts';
import { Router } from '../../src/route/router.ts';
import { h2call } from '../protocols/clients.ts';
import { echoEngine, webEngine } from '../protocols/engines.ts';
import { grpc, h2, https, READER, refusal, STRANGER, tlsWire, unary } from './clients.ts';
import { grpcEngine } from './engines.ts';
import { stage, type Stage } from './stage.ts';

const FINGERPRINT = new X509Certificate(READER.cert).fingerprint256.replaceAll(':', '').toLowerCase();

/** One name for each way to ask for a certificate. */
const NAMES = [
  entry('server', ['off.test']),
  entry('server', ['optional.test'], { clientCertificate: 'optional' }),
  entry('server', ['required.test'], { clientCertificate: 'required' }),
];

async function ends(t: TestContext): Promise<Stage & { taken: () => Origin[] }> {
  // The real router routes; what it is asked is looked at.
  const { mock } = t.mock.method(Router.prototype, 'find');
  /** The origins of all that was routed since the last time. */
  const taken = (): Origin[] => {
    const origins = mock.calls.map((call) => call.arguments[1]);
    mock.resetCalls();
    return origins;
  };
  const [web, echo, rpc] = await Promise.all([webEngine(t), echoEngine(t), grpcEngine(t)]);
  const made = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
      rpc: { at: `127.0.0.1:${rpc}` },
    },
    routes: [
      { protocols: ['grpc'], upstream: 'rpc' },
      { protocols: ['tcp'], upstream: 'echo' },
    ],
    tls: NAMES,
  });
  return { ...made, taken };
}

/** Status of a request over each of the protocols; throws if it is refused. */
async function everyWay(
  t: TestContext,
  port: number,
  servername: string,
  identity: ConnectionOptions,
): Promise<number[]> {
  const headers = { host: servername };
  const one = await https(port, { servername, headers, ...identity });
  const session = await h2(t, port, { servername, ...identity });
  const two = await h2call(session, { headers: { ':authority': servername } });
  session.destroy();
  const wire = await tlsWire(t, port, { servername, ...identity });
  wire.send('\0bytes');
  wire.finish();
  const { rest } = await wire.end();
  wire.socket.destroy();
  return [one.status, two.status, rest === '\0bytes' ? 200 : 0];
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const only = { minVersion: version, maxVersion: version };

  test(`${version}: where a certificate is required, only those that its authority signed come in`, async (t) => {
    const { port, settled, taken, connections } = await ends(t);
    assert.deepEqual(await everyWay(t, port, 'required.test', { ...READER, ...only }), [200, 200, 200]);
    const origins = taken();
    assert.equal(origins.length, 3);
    for (const { tls, serverName } of origins) {
      assert.equal(serverName, 'required.test');
      assert.deepEqual(
        [tls?.subject, tls?.fingerprint, tls?.version],
        ['CN=Reader\\, of speech,O=frameway tests', FINGERPRINT, version],
      );
      assert.equal(tls?.names.includes('reader.test'), true);
    }
    const none = await refusal(t, port, { servername: 'required.test', ...only });
    const wrong = await refusal(t, port, { servername: 'required.test', ...STRANGER, ...only });
    for (const each of [none, wrong]) assert.match(each, /^ERR_SSL|ECONNRESET|^end$|^close$/);
    await settled();
    assert.deepEqual(taken(), [], 'nothing of a refused client is routed');
    assert.equal(connections.filter(({ event }) => event === 'limited').length, 2);
  });

  test(`${version}: an optional certificate identifies, none is nobody, and a bad one is refused`, async (t) => {
    const { port, settled, taken } = await ends(t);
    assert.deepEqual(await everyWay(t, port, 'optional.test', { ...READER, ...only }), [200, 200, 200]);
    assert.deepEqual(
      taken().map(({ tls }) => tls?.fingerprint),
      [FINGERPRINT, FINGERPRINT, FINGERPRINT],
    );
    assert.deepEqual(await everyWay(t, port, 'optional.test', only), [200, 200, 200]);
    const unnamed = taken();
    assert.equal(unnamed.length, 3);
    for (const { tls } of unnamed) assert.deepEqual([tls?.subject, tls?.fingerprint, tls?.names], [null, null, []]);
    await refusal(t, port, { servername: 'optional.test', ...STRANGER, ...only });
    await settled();
    assert.deepEqual(taken(), []);
  });

  test(`${version}: where none is asked for, a certificate that is offered says nothing`, async (t) => {
    const { port, settled, taken } = await ends(t);
    for (const identity of [READER, STRANGER]) {
      assert.deepEqual(await everyWay(t, port, 'off.test', { ...identity, ...only }), [200, 200, 200]);
    }
    const origins = taken();
    assert.equal(origins.length, 6);
    for (const { tls } of origins) assert.deepEqual([tls?.subject, tls?.fingerprint, tls?.names], [null, null, []]);
    await settled();
  });
}

test('a gRPC client with a certificate is served, and one without is UNAVAILABLE', async (t) => {
  const { port, settled } = await ends(t);
  const known = grpc(t, port, 'required.test', READER);
  assert.equal(String(await unary(known, 'hello')), 'hello');
  const unknown = grpc(t, port, 'required.test');
  await assert.rejects(unary(unknown, 'hello'), { code: 14 });
  const stranger = grpc(t, port, 'required.test', STRANGER);
  await assert.rejects(unary(stranger, 'hello'), { code: 14 });
  for (const client of [known, unknown, stranger]) client.close();
  await settled();
});

test('another authority for clients takes effect with the next connection, and closes none', async (t) => {
  const { gateway, port } = await ends(t);
  const session = await h2(t, port, { servername: 'required.test', ...READER });
  const { certificate, key } = NAMES[2]!;
  gateway.reloadTls(0, 2, { certificate, key, clientCa: pem('ca.pem') });
  const headers = { ':authority': 'required.test' };
  assert.equal((await h2call(session, { headers })).status, 200);
  await assert.rejects(https(port, { servername: 'required.test', headers: { host: 'required.test' }, ...READER }));
  const welcome = await https(port, { servername: 'required.test', headers: { host: 'required.test' }, ...STRANGER });
  assert.equal(welcome.status, 200);
  gateway.reloadTls(0, 2, { certificate, key, clientCa: LISTENER_CA });
  await assert.rejects(https(port, { servername: 'required.test', headers: { host: 'required.test' }, ...STRANGER }));
});

test('routes go by the certificate that a client shows, over h2, http/1.1 and bytes', async (t) => {
  const [web, own, echo] = await Promise.all([webEngine(t), webEngine(t), echoEngine(t)]);
  const { port, settled, exchanges } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      own: { at: own.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['tcp'], upstream: 'echo' },
      { certificates: ['reader.test'], upstream: 'own' },
    ],
    tls: NAMES,
  });
  await everyWay(t, port, 'optional.test', READER);
  await everyWay(t, port, 'optional.test', {});
  await settled();
  assert.deepEqual(
    exchanges.map(({ upstream }) => upstream),
    ['own', 'own', 'echo', 'web', 'web', 'echo'],
  );
  assert.deepEqual(
    exchanges.map(({ identity }) => identity !== null),
    [true, true, true, false, false, false],
  );
});
