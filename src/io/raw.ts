/**
 * Reads and writes beneath Node's streams. What `net.Socket` keeps account of for every write, `Output` keeps account of already, and
 * for small messages that is a tenth of the proxy's time. This leans on fields of Node that are not in its documentation; they are
 * named here and in `adopt.ts` and nowhere else. Where they are not there, sockets are used as the documentation has it; a test
 * fails if a new Node no longer has them.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';

interface WriteRequest {
  oncomplete(this: WriteRequest, status: number): void;
  /** What libuv writes from, and for whom: until it is done. */
  octets?: Uint8Array;
  writer?: RawWriter;
}
interface Handle {
  reading: boolean;
  onread: (this: Handle, arrayBuffer: unknown) => unknown;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
  writeBuffer(request: WriteRequest, octets: Uint8Array): number;
  [READER]?: RawReader;
}
interface StreamWrap {
  readonly WriteWrap: new () => WriteRequest;
  /** What the last call of a handle, or into its `onread`, has to say beside its result. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}
/** Who wrote. */
export interface Taker {
  /** The socket has taken what it could not take at once. */
  taken(): void;
}
export interface RawReader {
  /** So many octets were read into the socket's buffer; false: no more for now. */
  onOctets(count: number): boolean;
}

const READER = Symbol('reader');

function findStreamWrap(): StreamWrap | null {
  try {
    const { binding } = process as unknown as { binding: (name: string) => Partial<StreamWrap> };
    const { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = binding('stream_wrap');
    const known = typeof WriteWrap === 'function' && streamBaseState?.[kLastWriteWasAsync!] !== undefined;
    if (!known || streamBaseState[kReadBytesOrError!] === undefined) return null;
    return {
      WriteWrap,
      streamBaseState,
      kReadBytesOrError: kReadBytesOrError!,
      kLastWriteWasAsync: kLastWriteWasAsync!,
    };
  } catch {
    // A Node without it, or one that forbids it.
    return null;
  }
}
const wrap = findStreamWrap();
const state = wrap?.streamBaseState ?? new Int32Array(1);
const LAST_READ = wrap?.kReadBytesOrError ?? 0;
const LAST_WRITE = wrap?.kLastWriteWasAsync ?? 0;

const handleOf = (socket: Socket): Handle | null => (socket as unknown as { _handle: Handle | null })._handle;

/** One request for all sockets: libuv holds on to it only where a write does not leave at once, and then there is a new one. */
let request: WriteRequest | null = null;

function newRequest({ WriteWrap }: StreamWrap): WriteRequest {
  const made = new WriteWrap();
  made.oncomplete = function (status) {
    this.writer?.completed(status);
  };
  return made;
}

export class RawWriter {
  private readonly socket: Socket;
  private readonly handle: Handle;
  private readonly taker: Taker;
  private readonly tls: boolean;

  private constructor(socket: Socket, handle: Handle, taker: Taker) {
    this.socket = socket;
    this.tls = socket instanceof TLSSocket;
    this.handle = handle;
    this.taker = taker;
  }

  /** Over a connected socket; null where this Node does not allow it. `taker` as of `write`. */
  static over(socket: Socket, taker: Taker): RawWriter | null {
    const handle = handleOf(socket);
    if (wrap === null || handle === null || typeof handle.writeBuffer !== 'function') return null;
    return new RawWriter(socket, handle, taker);
  }

  /** True if all of it left at once, or never will (over TLS it never does at once); else `taker` is told when it has. Until then there is no other write. */
  write(slab: Buffer, length: number): boolean {
    // After the end of its socket a TLS handle takes the whole process down; one of TCP refuses, so there the socket need not be asked.
    if (this.tls && this.socket.destroyed) return true;
    request ??= newRequest(wrap!);
    const octets = new Uint8Array(slab.buffer, slab.byteOffset, length);
    const error = this.handle.writeBuffer(request, octets);
    if (error !== 0) {
      // A handle that is gone does not even say which error it is.
      if (!this.socket.destroyed) this.socket.destroy(failure(error));
      return true;
    }
    if (state[LAST_WRITE] === 0) return true;
    request.octets = octets;
    request.writer = this;
    request = null;
    return false;
  }

  completed(status: number): void {
    // A socket that is destroyed says so itself.
    if (this.socket.destroyed) return;
    if (status < 0) this.socket.destroy(failure(status));
    else this.taker.taken();
  }
}

function failure(errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' });
}

/** Node's own `onread`, the same for all handles. */
let usual: Handle['onread'] | null = null;

/**
 * Has a connected socket with an `onread` option tell `reader` of what it reads; errors and ends Node deals with as ever. False
 * where this Node does not allow it: then it reads as it did.
 */
export function readRaw(socket: Socket, reader: RawReader): boolean {
  const handle = handleOf(socket);
  if (wrap === null || handle === null || typeof handle.onread !== 'function') return false;
  usual ??= handle.onread;
  if (handle.onread !== usual) return false;
  handle[READER] = reader;
  handle.onread = onread;
  return true;
}

/**
 * The same for a socket that was made without that option, into `buffer`: a server's TLS socket ignores it. It begins when it is
 * resumed, and is paused here and not by its streams. A read that was on its way when it was paused is still told.
 */
export class RawFlow {
  private readonly socket: Socket;
  private readonly handle: Handle;

  private constructor(socket: Socket, handle: Handle) {
    this.socket = socket;
    this.handle = handle;
  }

  static over(socket: Socket, buffer: Buffer, reader: RawReader): RawFlow | null {
    const handle = handleOf(socket);
    if (handle === null || typeof handle.useUserBuffer !== 'function' || !readRaw(socket, reader)) return null;
    handle.useUserBuffer(buffer);
    return new RawFlow(socket, handle);
  }

  pause(): void {
    this.handle.reading = false;
    if (!this.socket.destroyed) this.handle.readStop();
  }
  resume(): void {
    if (this.handle.reading || this.socket.destroyed) return;
    this.handle.reading = true;
    this.handle.readStart();
  }
}

function onread(this: Handle, arrayBuffer: unknown): unknown {
  const octets = state[LAST_READ]!;
  if (octets <= 0) return usual!.call(this, arrayBuffer);
  if (!this[READER]!.onOctets(octets)) {
    this.reading = false;
    this.readStop();
  }
  return undefined;
}
