/** Requests as an engine got them, whoever else looks at its frames. */
import type { Frame } from '../support/frames.ts';
import type { RawEngine } from '../support/raw-peer.ts';
import type { RawSession } from '../support/raw-session.ts';
import { Code } from './stage.ts';

const pathIn = (frame: Frame): string | undefined => frame.headers?.find(([name]) => name === ':path')?.[1];

/** All heads of requests so far, over all sessions. */
export const heads = (engine: RawEngine): Frame[] =>
  engine.sessions.flatMap(({ frames }) => frames.filter((frame) => pathIn(frame) !== undefined));

/** The last request for this path, waited for if need be. */
export const arrived = (session: RawSession, path: string): Promise<Frame> =>
  session.until(() => session.frames.findLast((frame) => pathIn(frame) === path), `a request for ${path}`);

export const fieldsOf = ({ headers }: Frame, ...names: readonly string[]): string[] =>
  headers!.filter(([name]) => names.includes(name)).map(([name, value]) => `${name}: ${value}`);

/** The engine is told that nobody waits for its answer any more. */
export const cancelled = (session: RawSession, streamId: number): Promise<true> =>
  session.until(() => (session.heard(streamId).reset === Code.CANCEL ? true : undefined), 'CANCEL', 8000);
