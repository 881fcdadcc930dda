import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import { Flag, Setting, settingsFrame, windowFrame } from '../support/frames.ts';
import type { Overrides } from '../support/gateway.ts';
import type { RawClient, Settings } from '../support/raw-peer.ts';
import type { RawSession } from '../support/raw-session.ts';
import { DEFAULT_WINDOW, MAX_WINDOW, received, Source } from './flow.ts';
import { arrived } from './requests.ts';
import { Code, OK, engineWith, good, hang, request, stage, type Play } from './stage.ts';

const MiB = 1 << 20;
const BODY = 64 * MiB;
/** The largest window that a session learns, the slabs behind it, and what else is under way. */
const HELD_AT_MOST = 2 * MiB;
/** What the kernel may hold of a socket that nobody reads. */
const KERNEL_AT_MOST = 24 * MiB;

/** How a peer does not take what it is sent, and how it takes it again. */
interface Refusal {
  readonly settings: Settings;
  /** Octets that the gateway may send before it has to stop. */
  readonly takes: number;
  refuse(peer: RawSession): void;
  accept(peer: RawSession, streamId: number): void;
}
const wide = (peer: RawSession, streamId: number): void =>
  peer.send(windowFrame(streamId, MAX_WINDOW - DEFAULT_WINDOW));
const refusals: Readonly<Record<string, Refusal>> = {
  'keeps the window of the stream closed': {
    settings: [],
    takes: DEFAULT_WINDOW,
    refuse: (peer) => {
      peer.manners.window = false;
      wide(peer, 0);
    },
    accept: wide,
  },
  'keeps the window of the connection closed': {
    settings: [[Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW]],
    takes: DEFAULT_WINDOW,
    refuse: (peer) => void (peer.manners.window = false),
    accept: (peer) => wide(peer, 0),
  },
  'does not read its socket': {
    settings: [[Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW]],
    takes: KERNEL_AT_MOST,
    refuse: (peer) => {
      peer.manners.window = false;
      wide(peer, 0);
      peer.socket.pause();
    },
    accept: (peer) => void peer.socket.resume(),
  },
};

/** An engine that sends `total` on `/download`, and what it has sent. */
function download(total: number) {
  const sources: Source[] = [];
  const play: Play = (session, id) => {
    session.headers(id, OK, 0);
    const source = new Source(session, id);
    sources.push(source);
    return source.send(total);
  };
  return { play, sources };
}

async function downloading(t: TestContext, total: number, settings: Settings, refuse: (peer: RawSession) => void) {
  const { play, sources } = download(total);
  const engine = await engineWith(t, { '/download': play });
  const { gateway, client } = await stage(t, engine);
  const neighbour = await client();
  await good(neighbour);
  const before = budget.used;
  const peer = await client(settings);
  refuse(peer);
  const id = peer.open(request('/download'), Flag.END_STREAM);
  const session = await engine.session();
  const { streamId } = await arrived(session, '/download');
  return { engine, gateway, neighbour, before, peer, id, session, streamId, source: sources[0]! };
}
const whole = (peer: RawSession, id: number, total: number): Promise<true> =>
  peer.until(() => (peer.frames.at(-1)?.streamId === id && peer.heardEnd(id) ? true : undefined), `${total} octets`);

void whole;
void hang;
void Code;
export type { Overrides, RawClient };
