import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { budget } from '../../src/io/budget.ts';
import * as h2 from '../support/frames.ts';
import { Flag, Setting, Type, isAck } from '../support/frames.ts';
import type { Overrides } from '../support/gateway.ts';
import type { RawClient } from '../support/raw-peer.ts';
import type { RawSession } from '../support/raw-session.ts';
import { buffersFree } from './eventually.ts';
import { arrived, cancelled } from './requests.ts';
import { Code, OK, call, engineWith, grpcRequest, hang, request, stage, type Play } from './stage.ts';

const LAST = 0x7fffffff;
const isFirst = (frame: h2.Frame): boolean => frame.type === Type.GOAWAY && frame.lastStreamId === LAST;
const isFinal = (frame: h2.Frame): boolean => frame.type === Type.GOAWAY && frame.lastStreamId !== LAST;
const isPing = (frame: h2.Frame): boolean => frame.type === Type.PING && !isAck(frame);

/** A first message, and the rest once the engine is told to go on. */
function parts() {
  let go = (): void => undefined;
  const told = new Promise<void>((resolve) => (go = resolve));
  const play: Play = async (session, id, head) => {
    const grpc = head.headers!.some(([, value]) => value === 'application/grpc');
    session.headers(id, OK, 0);
    session.data(id, 'first ');
    await told;
    session.data(id, 'last', grpc ? 0 : Flag.END_STREAM);
    if (grpc) session.headers(id, [['grpc-status', '0']]);
  };
  return { play, go: () => go() };
}

async function stageWith(t: TestContext, overrides: Omit<Overrides, 'endpoints'> = {}) {
  const { play, go } = parts();
  const engine = await engineWith(t, { '/parts': play, '/hang': hang });
  const { gateway, client } = await stage(t, engine, overrides);
  return { engine, gateway, client, go, session: () => engine.session() };
}
const begun = (peer: RawSession, id: number): Promise<true> =>
  peer.until(() => (peer.heard(id).body.length > 0 ? true : undefined), 'the first part');

/** A client whose PING goes unanswered until it says so. */
async function manual(client: () => Promise<RawClient>): Promise<RawClient> {
  const peer = await client();
  peer.manners.ping = false;
  return peer;
}

describe('a gateway that drains', () => {
  test('says GOAWAY in two steps, and serves what comes between', async (t) => {
    const { gateway, client, go, session } = await stageWith(t);
    const peer = await manual(client);
    const old = peer.open(grpcRequest('/parts'), Flag.END_STREAM);
    await begun(peer, old);

    const drained = gateway.drain();
    assert.equal((await peer.next(isFirst)).errorCode, Code.NO_ERROR);
    const { payload } = await peer.next(isPing);
    const { status, body } = await call(peer, grpcRequest('/between'), 'on its way');
    assert.deepEqual([status, body.toString()], [200, 'on its way']);
    assert.ok(!peer.frames.some(isFinal), 'the last GOAWAY did not wait for the ACK');

    peer.send(h2.pingFrame(payload, Flag.ACK));
    const { lastStreamId, errorCode } = await peer.next(isFinal);
    assert.deepEqual([lastStreamId, errorCode], [old + 2, Code.NO_ERROR]);
    const late = await call(peer, grpcRequest('/late'), 'too late');
    assert.equal(late.reset, Code.REFUSED_STREAM);

    go();
    const { body: whole, grpcStatus } = await peer.message(old);
    assert.deepEqual([whole.toString(), grpcStatus], ['first last', 0]);
    await peer.gone(1000);
    await drained;
    const engine = await session();
    assert.ok(
      !engine.frames.some((frame) => frame.headers?.some(([, path]) => path === '/late')),
      'too late, yet served',
    );
    await engine.next('GOAWAY');
    await engine.gone();
  });

  test('says the second GOAWAY after a second when the PING is not answered', async (t) => {
    const { gateway, client } = await stageWith(t);
    const peer = await manual(client);
    const id = peer.open(request('/hang'));
    await peer.next('SETTINGS');
    void gateway.drain();
    await peer.next(isFirst);
    const since = performance.now();
    assert.equal((await peer.next(isFinal)).lastStreamId, id);
    const waited = performance.now() - since;
    assert.ok(waited > 950 && waited < 2200, `${waited} ms`);
  });

  test('is not ready from the first moment, and accepts nobody', async (t) => {
    const { gateway, client } = await stageWith(t);
    const peer = await client();
    peer.open(request('/hang'));
    await peer.next('SETTINGS');
    assert.deepEqual(gateway.ready(), { ok: true });
    void gateway.drain();
    assert.deepEqual(gateway.ready(), { ok: false, reason: 'draining' });
    const newcomer = connect(gateway.port, '127.0.0.1');
    const outcome = await new Promise((resolve) => newcomer.once('connect', resolve).once('error', resolve));
    assert.equal((outcome as NodeJS.ErrnoException | undefined)?.code, 'ECONNREFUSED');
  });

  test('ends idle sessions at once, whatever its timeout', async (t) => {
    const { gateway, client } = await stageWith(t, { snapshot: { drainTimeout: 60_000 } });
    const peers = [await client(), await client()];
    await Promise.all(peers.map((peer) => call(peer, grpcRequest('/'), 'x')));
    const since = performance.now();
    const drained = gateway.drain();
    await Promise.all([drained, ...peers.map((peer) => peer.gone())]);
    assert.ok(performance.now() - since < 900, `${performance.now() - since} ms`);
    for (const peer of peers)
      assert.deepEqual(
        peer.frames.filter(isFinal).map(({ lastStreamId }) => lastStreamId),
        [1],
      );
  });

  test('asked twice, drains once', async (t) => {
    const { gateway, client } = await stageWith(t);
    const peer = await client();
    await peer.next('SETTINGS');
    await Promise.all([gateway.drain(), gateway.drain()]);
    await peer.gone();
    assert.equal(peer.frames.filter(isFirst).length, 1);
  });

  test('lets what it has already written reach a client that reads late', async (t) => {
    const CALLS = 300;
    const block = Buffer.alloc(60_000);
    const whole: Play = (session, id) => {
      session.headers(id, OK, 0);
      for (let at = 0; at < block.length; at += 15_000) {
        session.data(id, block.subarray(at, at + 15_000), at + 15_000 < block.length ? 0 : Flag.END_STREAM);
      }
    };
    const engine = await engineWith(t, { '/whole': whole });
    const { gateway, client } = await stage(t, engine, {
      limits: { maxConcurrentStreams: CALLS },
      upstream: { maxStreamsPerConnection: CALLS },
      snapshot: { drainTimeout: 10_000 },
    });
    // Windows are no hindrance: the responses are complete as far as the session goes, and wait for the socket.
    const peer = await client([[Setting.INITIAL_WINDOW_SIZE, LAST]]);
    peer.send(h2.windowFrame(0, LAST - 65_535));
    await call(peer, request('/'), 'x');
    peer.manners.window = false;
    peer.socket.pause();
    const ids = Array.from({ length: CALLS }, () => peer.open(request('/whole'), Flag.END_STREAM));
    while (gateway.count('frameway_exchanges_ended_total') < CALLS + 1) await sleep(10);
    assert.ok(budget.used > 1 << 20, `${budget.used} octets wait, too few to see anything`);
    let done = false;
    const drained = gateway.drain().then(() => (done = true));
    // Longer than a socket lingers.
    await sleep(1300);
    assert.ok(!done, 'drained, with a response that has not left');
    peer.socket.resume();
    for (const id of ids) assert.equal((await peer.message(id)).body.length, block.length);
    await drained;
    await buffersFree();
  });
});

describe('when drain_timeout is over', { concurrency: true }, () => {
  const short = { snapshot: { drainTimeout: 300 } };
  async function cut(t: TestContext, fields: readonly h2.Field[]) {
    const { gateway, client, session } = await stageWith(t, short);
    const peer = await client();
    const id = peer.open(fields);
    const engine = await session();
    const [, path] = fields.find(([name]) => name === ':path')!;
    const { streamId } = await arrived(engine, path);
    if (path === '/parts') await begun(peer, id);
    const since = performance.now();
    const drained = gateway.drain();
    const message = await peer.message(id);
    assert.ok(performance.now() - since >= 300, `cut off after ${performance.now() - since} ms`);
    await drained;
    await peer.gone();
    await cancelled(engine, streamId);
    await engine.gone();
    assert.equal(gateway.count('frameway_exchanges'), 0);
    assert.equal(gateway.exchanges.at(-1)!.failure?.cause, 'draining');
    return { ...message, frames: peer.frames.filter((frame) => frame.streamId === id && frame.type === Type.HEADERS) };
  }
  test('a gRPC call without a response gets UNAVAILABLE as Trailers-Only', async (t) => {
    const { status, grpcStatus, frames } = await cut(t, grpcRequest('/hang'));
    assert.deepEqual([status, grpcStatus, frames.length], [200, 14, 1]);
  });
  test('a gRPC response is ended with UNAVAILABLE trailers', async (t) => {
    const { status, grpcStatus, body, frames } = await cut(t, grpcRequest('/parts'));
    assert.deepEqual([status, grpcStatus, body.toString(), frames.length], [200, 14, 'first ', 2]);
  });
  test('another request without a response gets 503', async (t) => {
    const { status, reset } = await cut(t, request('/hang'));
    assert.equal(status, 503);
    assert.ok(reset === null || reset === Code.NO_ERROR, `reset ${reset}`);
  });
  test('another response is reset, never ended as if it were whole', async (t) => {
    const { body, reset } = await cut(t, request('/parts'));
    assert.deepEqual([body.toString(), reset], ['first ', Code.INTERNAL_ERROR]);
  });
  test('a call that waits for a slot gets its answer too', async (t) => {
    const { gateway, client } = await stageWith(t, {
      ...short,
      upstream: { maxConnections: 1, maxStreamsPerConnection: 1, acquireTimeout: 60_000 },
    });
    const peer = await client();
    peer.open(grpcRequest('/hang'));
    const waiting = peer.open(grpcRequest('/waits'));
    await peer.next('SETTINGS');
    await sleep(30);
    const drained = gateway.drain();
    assert.equal((await peer.message(waiting)).grpcStatus, 14);
    await drained;
    assert.equal(gateway.count('frameway_exchanges'), 0);
  });
});

test("a client's GOAWAY does not end its open streams", async (t) => {
  const { client, go } = await stageWith(t);
  const peer = await client();
  const id = peer.open(grpcRequest('/parts'));
  await begun(peer, id);
  peer.send(h2.goawayFrame(0, Code.NO_ERROR, 'leaving'));
  await sleep(50);
  peer.data(id, 'more', Flag.END_STREAM);
  go();
  const { body, grpcStatus } = await peer.message(id);
  assert.deepEqual([body.toString(), grpcStatus], ['first last', 0]);
});
