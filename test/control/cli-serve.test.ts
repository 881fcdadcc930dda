import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectH2, type ClientHttp2Session } from 'node:http2';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { GatewayProcess } from './gateway-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'frameway-serve-'));
after(() => rmSync(folder, { recursive: true }));

/** A server that accepts and says nothing: what takes a port, or an engine that never answers. */
async function silentServer(): Promise<Server & { port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A failed test must not keep the run alive.
  server.unref();
  return Object.assign(server, {
    port: (server.address() as AddressInfo).port,
  });
}

async function freePort(): Promise<number> {
  const server = await silentServer();
  server.close();
  await once(server, 'close');
  return server.port;
}

const file = (text: string): string => {
  const name = join(folder, `${String(Math.random()).slice(2)}.yaml`);
  writeFileSync(name, text);
  return name;
};

async function status(admin: string, path: string): Promise<number> {
  return (await fetch(`${admin}${path}`)).status;
}

/** One call that its engine never answers; resolves when it has arrived there. */
async function hangingCall(port: string, engine: Server): Promise<ClientHttp2Session> {
  const session = connectH2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const arrived = once(engine, 'connection');
  const stream = session.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined).resume();
  await arrived;
  return session;
}

test('serve says what runs, is ready, and ends with 0 after SIGTERM', async () => {
  const engine = await freePort();
  const config = file(`listeners: [{address: "127.0.0.1:0", name: main, upstream: asr}]
upstreams: {asr: {endpoints: ["127.0.0.1:${engine}"]}}
admin: 127.0.0.1:0
demo_engines: ["127.0.0.1:${engine}"]
`);
  const gateway = new GatewayProcess(['serve', '--config', config]);
  const [, admin] = await gateway.until(/^admin on (\S+) /);
  const [first, second] = gateway.messages;
  assert.equal(first, `demo engine on 127.0.0.1:${engine}`);
  assert.match(
    second!,
    new RegExp(
      `^listening on 127\\.0\\.0\\.1:\\d+ main \\(h2, http1, tls, tcp\\), forwarding to asr: 127\\.0\\.0\\.1:${engine}$`,
    ),
  );
  assert.equal(await status(admin!, '/readyz'), 200);
  assert.equal(await status(admin!, '/metrics'), 200);
  gateway.child.kill('SIGTERM');
  assert.equal(await gateway.end(), 0);
  assert.deepEqual(gateway.messages.slice(-2), ['SIGTERM: draining, for at most 30s', 'stopped']);
  assert.equal(gateway.stderr, '');
});

test('while it drains it lives but is not ready, and a second signal ends it at once', async () => {
  const engine = await silentServer();
  const gateway = new GatewayProcess([
    'proxy',
    '--from',
    '127.0.0.1:0',
    '--to',
    `127.0.0.1:${engine.port}`,
    '--admin',
    '127.0.0.1:0',
  ]);
  const [, admin] = await gateway.until(/^admin on (\S+) /);
  const [, port] = await gateway.until(/^listening on 127\.0\.0\.1:(\d+)/);
  const session = await hangingCall(port!, engine);
  gateway.child.kill('SIGTERM');
  await gateway.until(/^SIGTERM: draining/);
  assert.equal(await status(admin!, '/readyz'), 503);
  assert.equal(await status(admin!, '/healthz'), 200);
  gateway.child.kill('SIGINT');
  assert.equal(await gateway.end(), 130);
  session.destroy();
});

test('the drain ends at its timeout, whatever is still open', async () => {
  const engine = await silentServer();
  const args = ['proxy', '--from', '127.0.0.1:0', '--to', `127.0.0.1:${engine.port}`, '--admin', 'off'];
  const gateway = new GatewayProcess(args, { FRAMEWAY_DRAIN_TIMEOUT: '300ms' });
  const [, port] = await gateway.until(/^listening on 127\.0\.0\.1:(\d+)/);
  const session = await hangingCall(port!, engine);
  gateway.child.kill('SIGINT');
  assert.equal(await gateway.end(), 0);
  session.destroy();
});

test('a listener that cannot be bound exits 71 and names the address and the reason', async () => {
  const taken = await silentServer();
  const gateway = new GatewayProcess([
    'proxy',
    '--from',
    `127.0.0.1:${taken.port}`,
    '--to',
    'localhost:1',
    '--admin',
    'off',
  ]);
  assert.equal(await gateway.end(), 71);
  assert.match(gateway.stderr, new RegExp(`^frameway: .*127\\.0\\.0\\.1:${taken.port}.*(in use|EADDRINUSE)`));
});

test('an admin address that is taken exits 71 too', async () => {
  const taken = await silentServer();
  const gateway = new GatewayProcess([
    'proxy',
    '--from',
    '127.0.0.1:0',
    '--to',
    'localhost:1',
    '--admin',
    `127.0.0.1:${taken.port}`,
  ]);
  assert.equal(await gateway.end(), 71);
  assert.equal(
    gateway.stderr,
    `frameway: admin: cannot listen on 127.0.0.1:${taken.port}: the address is already in use\n`,
  );
});

test('it still ends when nobody reads its log any more', async () => {
  const gateway = new GatewayProcess(['proxy', '--from', '127.0.0.1:0', '--to', 'localhost:1', '--admin', 'off']);
  await gateway.until(/^listening/);
  gateway.child.stdout?.destroy();
  gateway.child.kill('SIGTERM');
  assert.equal(await gateway.end(), 0);
});
