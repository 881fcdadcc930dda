import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import * as h2 from '../support/frames.ts';
import { Flag } from '../support/frames.ts';
import { indexed, literals, remembered } from '../support/header-block.ts';
import type { RawClient } from '../support/raw-peer.ts';
import { buffersFree, eventually, onlyLeft } from './eventually.ts';
import { Code, END, OK, endsWith, engineWith, good, grpcRequest, hang, request, stage, type Play } from './stage.ts';

const block = literals(request('/hang'));
const many = (count: number, each: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => each(i)));

const attacks: Readonly<Record<string, (attacker: RawClient) => Promise<void>>> = {
  'resets what it asks for': async (attacker) => {
    attacker.send(
      many(300, (i) => Buffer.concat([h2.headersFrame(2 * i + 1, block, END), h2.resetFrame(2 * i + 1, Code.CANCEL)])),
    );
    await endsWith(attacker, Code.ENHANCE_YOUR_CALM);
  },
  'makes us reset what it asks for': async (attacker) => {
    attacker.send(
      many(300, (i) => Buffer.concat([h2.headersFrame(2 * i + 1, block, 4), h2.windowFrame(2 * i + 1, 0)])),
    );
    await endsWith(attacker, Code.ENHANCE_YOUR_CALM);
  },
  'sends header bombs': async (attacker) => {
    const bomb = (i: number): Buffer =>
      Buffer.concat([
        literals(request('/')),
        remembered('x', 'y'.repeat(3900)),
        many(i === 50 ? 40 : 20, () => indexed(62)),
      ]);
    for (let i = 0; i <= 50; i++) attacker.send(h2.headersFrame(2 * i + 1, bomb(i), END));
    await endsWith(attacker, Code.ENHANCE_YOUR_CALM);
  },
  'holds a hundred uploads that nobody ends': async (attacker) => {
    // The engine gives no credit: 64 KiB of each wait with it or with us, and the last one is cut short.
    const body = many(3, () => Buffer.alloc(16_000, 'x'));
    for (let i = 0; i < 100; i++) {
      const id = attacker.open(request('/hang'));
      for (let at = 0; at < body.length; at += 16_000) attacker.data(id, body.subarray(at, at + 16_000));
    }
    attacker.sendRaw(h2.frameHeader(16_000, h2.Type.DATA, 0, 1));
    await eventually(
      () => budget.used > 1 << 20,
      () => `only ${budget.used} octets are held`,
    );
    attacker.close();
  },
};

describe('nothing is left of a client', () => {
  for (const [what, attack] of Object.entries(attacks)) {
    test(`that ${what}`, async (t) => {
      const engine = await engineWith(t, { '/hang': hang });
      const { gateway, client, stillServes } = await stage(t, engine);
      await stillServes();
      for (let i = 0; i < 3; i++) await attack(await client());
      await stillServes();
      // The neighbour, and the newcomers that were served.
      await onlyLeft(gateway, 3);
      await buffersFree();
      assert.deepEqual(
        gateway.connections.filter(({ event }) => event === 'bug'),
        [],
      );
    });
  }
});

/** What an engine that has lost its mind sends in the middle of a call. */
const madness: Readonly<Record<string, (id: number) => Buffer>> = {
  PING: () => many(20_000, () => h2.pingFrame()),
  SETTINGS: () => many(20_000, () => h2.settingsFrame()),
  'empty DATA': (id) => many(200, () => h2.dataFrame(id, '')),
  RST_STREAM: (id) => many(1000, () => h2.resetFrame(id, Code.CANCEL)),
  WINDOW_UPDATE: () => many(1000, () => h2.windowFrame(0, 1)),
  'GOAWAY again and again': () => many(1000, () => h2.goawayFrame(0x7fffffff, Code.NO_ERROR)),
};

describe('an engine that floods loses its session, its call is answered, and the next calls get another session', () => {
  for (const [what, flood] of Object.entries(madness)) {
    test(what, async (t) => {
      const mad: Play = (session, id) => {
        session.manners.settings = false;
        session.headers(id, [...OK, ['content-type', 'application/grpc']], 0);
        session.send(flood(id));
      };
      const engine = await engineWith(t, { '/mad': mad });
      const { gateway, client, stillServes } = await stage(t, engine);
      await stillServes();
      const peer = await client();
      const { grpcStatus, reset } = await peer.message(peer.open(grpcRequest('/mad'), Flag.END_STREAM));
      assert.ok(grpcStatus === 14 || reset === Code.CANCEL, `grpc-status ${grpcStatus}, reset ${reset}`);
      await endsWith(engine.sessions[0]!, Code.ENHANCE_YOUR_CALM);
      await good(peer);
      await stillServes();
      assert.equal(engine.sessions.length, 2);
      assert.equal(gateway.count('frameway_exchanges'), 0);
      await buffersFree();
    });
  }
});

describe('300 calls that are cancelled at once', () => {
  const CALLS = 300;
  const isReset = (frame: h2.Frame): boolean => frame.type === h2.Type.RST_STREAM;
  test('are reset at the engine by the bucket, and count as used until they are', async (t) => {
    const settings = [[h2.Setting.MAX_CONCURRENT_STREAMS, CALLS]] as const;
    const engine = await engineWith(t, { '/hang': hang }, settings);
    const { gateway, client } = await stage(t, engine, {
      upstream: { maxConnections: 1, maxStreamsPerConnection: CALLS, acquireTimeout: 10_000 },
    });
    const clients = await Promise.all([client(), client(), client()]);
    await good(clients[0]);
    const ids = clients.map((peer) => Array.from({ length: 100 }, () => peer.open(request('/hang'), Flag.END_STREAM)));
    const session = await engine.session();
    const count = (is: (frame: h2.Frame) => boolean): number => session.frames.filter(is).length;
    const opened = (): number => count((frame) => frame.headers !== undefined);
    await eventually(
      () => opened() === CALLS + 1,
      () => `${opened()} calls arrived`,
    );

    const since = performance.now();
    clients.forEach((peer, i) => peer.send(...ids[i]!.map((id) => h2.resetFrame(id, Code.CANCEL))));
    const allowed = (): number => 101 + (30 * (performance.now() - since)) / 1000;
    await onlyLeft(gateway, 4);
    assert.ok(count(isReset) <= allowed(), `${count(isReset)} RST_STREAM at once`);

    // There is room for as many as were reset, and the rest wait.
    const newcomers = await Promise.all([client(), client()]);
    for (const peer of newcomers) for (let i = 0; i < 75; i++) peer.open(request('/hang'), Flag.END_STREAM);
    await eventually(
      () => opened() > CALLS + 100,
      () => `${opened()} calls arrived`,
    );
    const inUse = (): number => opened() - 1 - count(isReset);
    const until = performance.now() + 1500;
    await eventually(
      () => {
        assert.ok(inUse() <= CALLS, `${inUse()} streams in use at the engine`);
        assert.ok(count(isReset) <= allowed(), `${count(isReset)} RST_STREAM after ${performance.now() - since} ms`);
        return performance.now() > until;
      },
      () => 'never',
    );
    assert.ok(count(isReset) > 100, 'the RST_STREAMs that waited never leave');
    assert.equal(engine.sessions.length, 1);
  });
});
