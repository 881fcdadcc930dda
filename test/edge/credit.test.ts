/** When a peer is told that it may send more: with what is written to it anyway, if there is such a thing. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { Flag, Type, pingFrame } from '../support/frames.ts';
import { DEFAULT_WINDOW } from './flow.ts';
import { arrived } from './requests.ts';
import { OK, engineWith, hang, request, stage, type Play } from './stage.ts';

const CHUNK = 1024;
const QUARTER = Math.ceil(DEFAULT_WINDOW / 4 / CHUNK);
const HALF = Math.ceil(DEFAULT_WINDOW / 2 / CHUNK);

async function talking(t: TestContext) {
  const engine = await engineWith(t, { '/talk': hang });
  const { gateway, client } = await stage(t, engine);
  const peer = await client();
  const id = peer.open(request('/talk'), 0);
  const session = await engine.session();
  const { streamId } = await arrived(session, '/talk');
  session.headers(streamId, OK, 0);
  let spoken = 0;
  let answers = 0;
  return {
    gateway,
    /** Sends chunks, which the engine has when this is over; returns the octets of all that was spoken. */
    speak: async (chunks: number): Promise<number> => {
      for (let n = 0; n < chunks; n++) peer.data(id, Buffer.alloc(CHUNK));
      spoken += chunks * CHUNK;
      await session.until(() => (session.heard(streamId).body.length === spoken ? true : undefined), 'all chunks');
      return spoken;
    },
    answer: async (): Promise<void> => {
      session.data(streamId, 'heard');
      answers++;
      await peer.until(() => (peer.heard(id).body.length === 5 * answers ? true : undefined), 'an answer');
    },
    /** Increments for the stream that the client has been sent by now. */
    credits: async (): Promise<number[]> => {
      const acks = () => peer.frames.filter(({ type, flags }) => type === Type.PING && (flags & Flag.ACK) !== 0).length;
      const before = acks();
      peer.send(pingFrame());
      await peer.until(() => (acks() > before ? true : undefined), 'the ACK of a PING');
      const updates = peer.frames.filter(({ type, streamId }) => type === Type.WINDOW_UPDATE && streamId === id);
      return updates.map(({ payload }) => payload.readUInt32BE(0));
    },
  };
}

describe('credit for a stream', () => {
  test('goes along with an answer once it is a quarter of the window', async (t) => {
    const { speak, answer, credits } = await talking(t);
    await speak(QUARTER - 1);
    await answer();
    assert.deepEqual(await credits(), []);
    await speak(1);
    assert.deepEqual(await credits(), [], 'for its own sake it is too little');
    await answer();
    assert.deepEqual(await credits(), [QUARTER * CHUNK]);
    await answer();
    assert.deepEqual(await credits(), [QUARTER * CHUNK]);
  });

  test('leaves by itself once it is half the window', async (t) => {
    const { speak, credits } = await talking(t);
    await speak(HALF - 1);
    assert.deepEqual(await credits(), []);
    await speak(1);
    assert.deepEqual(await credits(), [HALF * CHUNK]);
  });

  test('lets a client speak for as long as it likes, with answers or without', async (t) => {
    const { speak, answer, credits } = await talking(t);
    for (let n = 1; n <= 40; n++) {
      const taken = await speak(QUARTER + (n % 7));
      if (n % 3 > 0) await answer();
      const given = (await credits()).reduce((sum, bytes) => sum + bytes, 0);
      assert.ok(given <= taken && taken - given < DEFAULT_WINDOW / 2, `${given} of ${taken} after ${n} rounds`);
    }
  });

  test('is not sent behind the end of what it is for', async (t) => {
    const answering: Play = async (session, id) => {
      await session.message(id);
      session.headers(id, OK, 0);
      session.data(id, 'heard', Flag.END_STREAM);
    };
    const engine = await engineWith(t, { '/whole': answering });
    const { client } = await stage(t, engine);
    const peer = await client();
    const id = peer.open(request('/whole'), 0);
    peer.data(id, Buffer.alloc(10 * CHUNK));
    peer.data(id, Buffer.alloc(10 * CHUNK), Flag.END_STREAM);
    assert.equal((await peer.message(id)).body.toString(), 'heard');
    assert.deepEqual(
      peer.frames.filter(({ type, streamId }) => type === Type.WINDOW_UPDATE && streamId === id),
      [],
    );
  });
});
