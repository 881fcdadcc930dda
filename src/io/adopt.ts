/**
 * Turns an accepted socket into one that reads into the shared buffer. `net.createServer` cannot be given `onread`, so
 * a second `net.Socket` is built over the same handle. This leans on fields of Node that are not in its documentation;
 * they are named here and nowhere else, and a test fails if a new Node no longer has them.
 */
import { Socket } from 'node:net';
import type { OnReadOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import { PROMPT } from './output.ts';

interface Handle {
  reading: boolean;
  readStop(): number;
  /** 0 if the kernel still knows who the peer is. */
  getpeername?(out: object): number;
}
interface Innards {
  _handle: Handle | null;
  _server: unknown;
}

/** What an accepted socket became. */
export interface Adopted {
  readonly socket: Socket;
  /** Bytes that were read before the adoption, in order; they come before all that `onread` delivers. */
  readonly early: readonly Buffer[];
  /** The client's FIN was read before the adoption. */
  readonly ended: boolean;
  /** Whether `onread` is in place; if not, the socket is the accepted one and has to be read by `data` events. */
  readonly direct: boolean;
}

export function adopt(accepted: Socket, onread: OnReadOpts): Adopted {
  const innards = accepted as unknown as Innards;
  const handle = innards._handle;
  // A server's TLS socket does not know `onread`.
  const tcp = handle !== null && !(accepted instanceof TLSSocket);
  const direct = tcp && typeof handle.readStop === 'function' && 'useUserBuffer' in handle;
  if (direct) {
    handle.readStop();
    handle.reading = false;
  }
  const early: Buffer[] = [];
  for (let chunk: unknown = accepted.read(); chunk !== null; chunk = accepted.read()) early.push(chunk as Buffer);
  const ended =
    accepted.readableEnded || (accepted as unknown as { _readableState: { ended: boolean } })._readableState.ended;
  if (!direct) return { socket: accepted, early, ended, direct };

  accepted.setTimeout(0);
  accepted.removeAllListeners();
  const server = innards._server;
  // Only one of the two may count in the server, or `close` and `maxConnections` go wrong.
  innards._server = null;
  innards._handle = null;
  const options = { handle, allowHalfOpen: true, onread, writableHighWaterMark: PROMPT };
  const socket = new Socket(options);
  (socket as unknown as Innards)._server = server;
  return { socket, early, ended, direct };
}

/** Whether the kernel still has the connection; `remotePort` would not do, for it remembers. True where that cannot be told. */
export function stillConnected(socket: Socket): boolean {
  const handle = (socket as unknown as Innards)._handle;
  return handle?.getpeername === undefined || handle.getpeername({}) === 0;
}
