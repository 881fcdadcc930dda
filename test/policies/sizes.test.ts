/** How large bodies and messages may be. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { grpcClient, statusOf } from '../edge/grpc-peers.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { h2Engine, webEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { ensemble } from './ensemble.ts';
import { call, echoed, grpcWeb, opened } from './peers.ts';
import { stage } from './stage.ts';

const NONE = { allow: [], deny: [], rates: [], concurrency: [] };

describe('a body', () => {
  test('whose length is known to be too large comes to no engine', async (t) => {
    const { port, web, line } = await ensemble(t, { limits: { maxBody: 1000 } });
    const session = await http2(t, port);
    const body = Buffer.alloc(1001);
    assert.equal((await http1(port, { method: 'POST', body, headers: { 'content-length': 1001 } })).status, 413);
    const two = await h2call(session, { headers: { 'content-length': 1001 }, body });
    assert.equal(two.status, 413);
    assert.equal(web.accepted, 0, 'an engine was asked');
    const { failure, route, attempts } = await line(0);
    assert.deepEqual([failure?.cause, route, attempts], ['body_too_large', 'web', 0]);
    const fits = body.subarray(1);
    assert.equal((await http1(port, { method: 'POST', body: fits, headers: { 'content-length': 1000 } })).status, 200);
    assert.equal((await h2call(session, { headers: { 'content-length': 1000 }, body: fits })).status, 200);
    assert.equal((await h2call(session, { body: fits })).status, 200);
  });
  test('that is streamed is cut where it is too large, and the engine never sees it end', async (t) => {
    const web = await webEngine(t);
    // `node:http2` says `end` of what was reset as well.
    let whole = 0;
    const modern = await h2Engine(t, (stream) => {
      let length = 0;
      stream.on('data', (part: Buffer) => (length += part.length));
      stream.on('end', () => {
        if (stream.destroyed || stream.rstCode !== 0) return;
        if (length === 20_000) whole++;
        stream.respond({ ':status': 200 }, { endStream: true });
      });
    });
    const { port, settled } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' }, modern: { at: modern.address } },
      routes: [
        { match: { path: { kind: 'exact', value: '/modern' } }, limits: { maxBody: 20_000 }, to: { modern: 1 } },
        { limits: { maxBody: 20_000 } },
      ],
    });
    const session = await http2(t, port);
    for (const path of ['/web', '/modern']) {
      assert.equal((await h2call(session, { headers: { ':path': path }, body: Buffer.alloc(20_001) })).status, 413);
      const wire = await Wire.connect(t, port);
      wire.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
      for (let i = 0; i < 3; i++) wire.send('2000\r\n', Buffer.alloc(0x2000), '\r\n');
      wire.send('0\r\n\r\n');
      assert.equal((await wire.message()).start.slice(0, 12), 'HTTP/1.1 413');
      wire.reset();
      assert.equal((await h2call(session, { headers: { ':path': path }, body: Buffer.alloc(20_000) })).status, 200);
    }
    await settled(1);
    assert.deepEqual([web.seen.length, whole], [1, 1]);
  });
  test('is held to the stricter limit of route and listener', async (t) => {
    const web = await webEngine(t);
    const at = (value: string, maxBody: number) => ({
      match: { path: { kind: 'exact', value } as const },
      limits: { maxBody },
    });
    const { port } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      listeners: [{ limits: { ...NONE, maxBody: 100, maxMessage: 0 } }],
      routes: [at('/less', 10), at('/more', 1000), {}],
    });
    const session = await http2(t, port);
    for (const [path, most] of [
      ['/less', 10],
      ['/more', 100],
      ['/none', 100],
    ] as const) {
      const post = async (size: number): Promise<number> =>
        (await h2call(session, { headers: { ':path': path }, body: Buffer.alloc(size) })).status;
      assert.deepEqual([await post(most), await post(most + 1)], [200, 413], path);
    }
  });
  test('of a WebSocket has no limit', async (t) => {
    const { port } = await ensemble(t, { limits: { maxBody: 10 } });
    const socket = await opened(t, port);
    for (let i = 0; i < 10; i++) assert.equal(await echoed(socket, 'twelve bytes'), 'twelve bytes');
    socket.terminate();
  });
});

describe('a gRPC message', () => {
  test('that is too large is refused by its prefix, and one of the greatest size is not', async (t) => {
    const { port, calls } = await ensemble(t, { limits: { maxMessage: 1000 } });
    const client = grpcClient(t, port);
    assert.equal((await call(client, {}, 'x'.repeat(1000))).status.code, 0);
    const { status } = await call(client, {}, 'x'.repeat(1001));
    assert.equal(status.code, 8);
    assert.equal((await grpcWeb(port, {}, 'x'.repeat(1000))).messages[0]?.length, 1000);
    assert.equal((await grpcWeb(port, {}, 'x'.repeat(1001))).fields['grpc-status'], '8');
    assert.ok(calls.length >= 2, 'calls that fit did not arrive');
  });
  test('is one of many: a stream may have more in all', async (t) => {
    const { port } = await ensemble(t, { limits: { maxMessage: 1000 } });
    const talk = grpcClient(t, port).talk();
    for (let i = 0; i < 10; i++) {
      talk.write(Buffer.alloc(900));
      assert.equal(((await once(talk, 'data')) as [Buffer])[0].length, 900);
    }
    const status = statusOf(talk);
    talk.write(Buffer.alloc(1001));
    assert.equal((await status).code, 8);
  });
  test('has no limit where the request is not gRPC', async (t) => {
    const { port } = await ensemble(t, { limits: { maxMessage: 10 } });
    assert.equal((await http1(port, { method: 'POST', body: Buffer.alloc(1000, 0xff) })).status, 200);
  });
});
