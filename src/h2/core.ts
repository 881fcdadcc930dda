/** What the parts of a session share. `Session` is the one implementation; the parts know only this. */
import type { Counters, Limit } from '../counters.ts';
import type { ErrorCode, Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import type { Output } from '../io/output.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import type { Journal } from '../journal.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Limits } from '../snapshot.ts';
import type { Closed, ClosedStreams } from './closed-streams.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { Windows } from './flow-control.ts';
import type { Sender } from './sender.ts';
import type { PeerSettings } from './settings.ts';
import type { Stream } from './stream.ts';
import type { StreamTable } from './stream-table.ts';

/** What all sessions of one side of the gateway have in common. */
export interface SessionContext {
  readonly role: 'server' | 'client';
  /** Clients may open WebSockets on their streams (RFC 8441). */
  readonly connectProtocol: boolean;
  readonly limits: Limits;
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly journal: Journal;
}

/** What the two roles do differently: whoever owns the session says so here. */
export interface SessionOwner {
  /** A client's request; the owner sets the stream's sink. Server role only. */
  onRequest(stream: Stream, head: RequestHead, end: boolean): void;
  /** A request that gets an answer though it cannot be forwarded. Server role only. */
  onRefused(stream: Stream, fields: readonly Field[], failure: Failure): void;
  /** A stream is over. */
  onFreed(): void;
  /** The peer has said what it allows. */
  onSettings(): void;
  /** The session takes no new streams. */
  onRetired(): void;
  /** The answer to `Session.ping`. */
  onPong(): void;
  /** The peer closes the session since it was pinged too often. */
  onTooManyPings(): void;
  onClosed(): void;
}

/** How far a session is on its way out. */
export type Leaving =
  | 'no'
  /** We sent GOAWAY(2^31-1): new streams are still served. */
  | 'announced'
  /** GOAWAY was received, or the last one sent: no new streams. */
  | 'yes';

export interface SessionCore {
  /** Role: true towards a client. */
  readonly server: boolean;
  readonly context: SessionContext;
  readonly owner: SessionOwner;
  readonly output: Output;
  readonly streams: StreamTable;
  readonly closedStreams: ClosedStreams;
  readonly peer: PeerSettings;
  readonly sender: Sender;
  readonly guard: FloodGuard;
  /** The connection's own. */
  readonly window: Windows;
  readonly leaving: Leaving;
  /** Nothing more is read, or sent but what is in the output. */
  readonly dead: boolean;
  /** Set by each HEADERS or DATA frame that is read. */
  spoke: boolean;
  /** Highest stream that the peer has opened. */
  lastPeerStream: number;
  /** The stream is idle: never opened, and still may be (RFC 9113 section 5.1.1). */
  isIdle(streamId: number): boolean;
  /** A stream that the peer opens. */
  admit(streamId: number): Stream;
  /** The stream is over: it leaves the table, and how it ended is remembered. */
  remove(stream: Stream, how: Closed): void;
  creditStream(stream: Stream, bytes: number): void;
  /** The peer broke a rule on one stream: RST_STREAM, and its sink is told. */
  streamError(stream: Stream, code: ErrorCode, failure?: Failure): void;
  /** The peer broke a rule of the connection: GOAWAY and the end. */
  onError(code: ErrorCode, message: string): void;
  /** The peer overdrew one of its accounts: GOAWAY(ENHANCE_YOUR_CALM). */
  flood(limit: Limit): void;
  writeReset(streamId: number, code: number): void;
  settingsAcknowledged(): boolean;
  pingAcknowledged(buffer: Buffer, from: number): boolean;
  goawayReceived(lastStreamId: number, code: number, debug: string): void;
}
