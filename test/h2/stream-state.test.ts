import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canReceive, canSend, Event, ILLEGAL, next, State } from '../../src/h2/stream-state.ts';
import { Random } from '../support/random.ts';

type StateName = keyof typeof State;
type EventName = keyof typeof Event;

/**
 * RFC 9113 section 5.1 without push: what is not here is an error. A closed stream has no events; what a late frame on
 * it means is another question, which its end decides.
 */
const RFC: Record<StateName, Partial<Record<EventName, StateName>>> = {
  IDLE: { SEND_HEADERS: 'OPEN', RECV_HEADERS: 'OPEN' },
  OPEN: {
    SEND_HEADERS: 'OPEN',
    RECV_HEADERS: 'OPEN',
    SEND_DATA: 'OPEN',
    RECV_DATA: 'OPEN',
    SEND_END: 'HALF_CLOSED_LOCAL',
    RECV_END: 'HALF_CLOSED_REMOTE',
    SEND_RST: 'CLOSED',
    RECV_RST: 'CLOSED',
  },
  HALF_CLOSED_LOCAL: {
    RECV_HEADERS: 'HALF_CLOSED_LOCAL',
    RECV_DATA: 'HALF_CLOSED_LOCAL',
    RECV_END: 'CLOSED',
    SEND_RST: 'CLOSED',
    RECV_RST: 'CLOSED',
  },
  HALF_CLOSED_REMOTE: {
    SEND_HEADERS: 'HALF_CLOSED_REMOTE',
    SEND_DATA: 'HALF_CLOSED_REMOTE',
    SEND_END: 'CLOSED',
    SEND_RST: 'CLOSED',
    RECV_RST: 'CLOSED',
  },
  CLOSED: {},
};
const states = Object.keys(RFC) as StateName[];
const events = Object.keys(Event) as EventName[];

for (const state of states) {
  test(`a stream that is ${state} does what RFC 9113 section 5.1 says, and nothing else`, () => {
    for (const event of events) {
      const to = RFC[state][event];
      assert.equal(next(State[state], Event[event]), to === undefined ? ILLEGAL : State[to], `${state} ${event}`);
    }
  });
}

test('a stream may send, or receive, as long as DATA may follow', () => {
  for (const state of states) {
    assert.equal(canSend(State[state]), RFC[state].SEND_DATA !== undefined, state);
    assert.equal(canReceive(State[state]), RFC[state].RECV_DATA !== undefined, state);
  }
});

test('both sides see the same life from their ends', () => {
  const mirror = (name: string): string => (name.startsWith('SEND') ? `RECV${name.slice(4)}` : `SEND${name.slice(4)}`);
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    let [ours, theirs]: State[] = [State.IDLE, State.IDLE];
    for (let n = 0; n < 12; n++) {
      const event = random.pick(events);
      const a = next(ours!, Event[event]);
      const b = next(theirs!, Event[mirror(event) as EventName]);
      assert.equal(a === ILLEGAL, b === ILLEGAL, `seed ${seed}: ${event}`);
      if (a === ILLEGAL || b === ILLEGAL) continue;
      [ours, theirs] = [a, b];
      assert.equal(canSend(ours), canReceive(theirs), `seed ${seed}: ${event}`);
      assert.equal(canReceive(ours), canSend(theirs), `seed ${seed}: ${event}`);
    }
  }
});
