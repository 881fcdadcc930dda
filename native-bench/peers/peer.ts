import { which } from '../child.ts';

/**
 * What clients speak on `listen`. The backend speaks the same, but in the clear: behind `h2-tls` stands plain-text h2. A
 * `websocket` is one over HTTP/1.1 on both sides.
 */
export type Task = 'h2' | 'h2-tls' | 'http1' | 'websocket' | 'tcp';

export interface Place {
  readonly task: Task;
  readonly listen: number;
  readonly backend: number;
  /** A folder for configuration files. */
  readonly folder: string;
  /** Where a Node proxy leaves its processor profile, if one is wanted. */
  readonly profile?: string;
}

/** A proxy to be measured, between `listen` and `backend`, both on 127.0.0.1. */
export interface Peer {
  readonly name: string;
  /** What it can do; it sits out the rows that ask for anything else. */
  readonly tasks: readonly Task[];
  /** What to install, if it is not there. */
  missing(): string | undefined;
  command(place: Place): readonly string[];
}

export function able(peers: readonly Peer[], task: Task): readonly Peer[] {
  return peers.filter((peer) => peer.tasks.includes(task));
}

export function missingProgram(program: string, advice: string): string | undefined {
  return which(program) === undefined ? `${program} not found: ${advice}` : undefined;
}
