/**
 * The stream states of RFC 9113 section 5.1 as a table. All transitions live here, and this file does not know which
 * side it plays; push is disabled, so the reserved states are not among them.
 *
 *                 send/recv HEADERS
 *          idle ---------------------> open
 *                                    /      \
 *                       send END    /        \   recv END
 *                                  v          v
 *                   half-closed (local)   half-closed (remote)
 *                                  \          /
 *                        recv END   v        v   send END
 *                                    closed  <--- send/recv RST from any but idle
 */
export const State = { IDLE: 0, OPEN: 1, HALF_CLOSED_LOCAL: 2, HALF_CLOSED_REMOTE: 3, CLOSED: 4 } as const;
export type State = (typeof State)[keyof typeof State];

export const Event = {
  SEND_HEADERS: 0,
  RECV_HEADERS: 1,
  /** DATA, not the last. */
  SEND_DATA: 2,
  RECV_DATA: 3,
  /** END_STREAM, on DATA or on HEADERS that come after the first. */
  SEND_END: 4,
  RECV_END: 5,
  SEND_RST: 6,
  RECV_RST: 7,
} as const;
export type Event = (typeof Event)[keyof typeof Event];

/** No state: the event is an error in the state it met. */
export const ILLEGAL = -1;
export type Transition = State | typeof ILLEGAL;

const EVENTS = 8;
const table = new Int8Array(5 * EVENTS).fill(ILLEGAL);
const allow = (from: State, event: Event, to: State): void => {
  table[from * EVENTS + event] = to;
};
const { IDLE, OPEN, HALF_CLOSED_LOCAL, HALF_CLOSED_REMOTE, CLOSED } = State;

allow(IDLE, Event.SEND_HEADERS, OPEN);
allow(IDLE, Event.RECV_HEADERS, OPEN);
for (const sending of [OPEN, HALF_CLOSED_REMOTE]) {
  allow(sending, Event.SEND_HEADERS, sending);
  allow(sending, Event.SEND_DATA, sending);
}
for (const receiving of [OPEN, HALF_CLOSED_LOCAL]) {
  allow(receiving, Event.RECV_HEADERS, receiving);
  allow(receiving, Event.RECV_DATA, receiving);
}
allow(OPEN, Event.SEND_END, HALF_CLOSED_LOCAL);
allow(OPEN, Event.RECV_END, HALF_CLOSED_REMOTE);
allow(HALF_CLOSED_REMOTE, Event.SEND_END, CLOSED);
allow(HALF_CLOSED_LOCAL, Event.RECV_END, CLOSED);
for (const live of [OPEN, HALF_CLOSED_LOCAL, HALF_CLOSED_REMOTE]) {
  allow(live, Event.SEND_RST, CLOSED);
  allow(live, Event.RECV_RST, CLOSED);
}

/** The state after `event`, or ILLEGAL. */
export const next = (state: State, event: Event): Transition => table[state * EVENTS + event] as Transition;

/** Whether we may still send, or receive, on a stream in this state. */
export const canSend = (state: State): boolean => state === OPEN || state === HALF_CLOSED_REMOTE;
export const canReceive = (state: State): boolean => state === OPEN || state === HALF_CLOSED_LOCAL;
