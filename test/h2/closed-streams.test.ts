import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Closed, ClosedStreams } from '../../src/h2/closed-streams.ts';
import { Random } from '../support/random.ts';

const WAYS = [Closed.ENDED, Closed.RESET_BY_PEER, Closed.RESET_BY_US];

test('how each of the last 1,024 streams was closed is known, and what came before is forgotten', () => {
  const streams = new ClosedStreams();
  const way = (id: number): Closed => WAYS[id % 3]!;
  for (let id = 1; id < 2 * 3000; id += 2) {
    streams.add(id, way(id));
    const oldest = id - 2 * 1023;
    if (id % 101 !== 0 && id < 5900) continue;
    for (let known = Math.max(1, oldest); known <= id; known += 2) assert.equal(streams.get(known), way(known));
    if (oldest <= 1) continue;
    assert.equal(streams.get(oldest - 2), undefined);
    assert.ok(streams.mayHaveForgotten(oldest - 2));
    assert.ok(streams.mayHaveForgotten(1));
    assert.ok(!streams.mayHaveForgotten(oldest));
  }
});

test('a stream that was never closed is not known, nor thought to be forgotten', () => {
  const streams = new ClosedStreams();
  assert.equal(streams.get(1), undefined);
  streams.add(5, Closed.ENDED);
  for (const id of [1, 3, 7, 0x7fffffff]) {
    assert.equal(streams.get(id), undefined);
    assert.ok(!streams.mayHaveForgotten(id));
  }
});

test('the highest identifier is remembered like any other', () => {
  const streams = new ClosedStreams();
  streams.add(0x7fffffff, Closed.RESET_BY_US);
  assert.equal(streams.get(0x7fffffff), Closed.RESET_BY_US);
});

test('streams may close in any order: the memory is of the last closed, not of the highest', () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const streams = new ClosedStreams();
    const open: number[] = [];
    const closed: [number, Closed][] = [];
    let id = -1;
    for (let n = 0; n < 3000; n++) {
      if (open.length < 100) open.push((id += 2));
      if (random.chance(1 / 2)) continue;
      const [stream] = open.splice(random.below(open.length), 1);
      const how = random.pick(WAYS);
      streams.add(stream!, how);
      closed.push([stream!, how]);
    }
    for (const [stream, how] of closed.slice(-1024)) assert.equal(streams.get(stream), how, `seed ${seed}`);
    for (const [stream] of closed.slice(0, -1024)) {
      assert.equal(streams.get(stream), undefined, `seed ${seed}`);
      assert.ok(streams.mayHaveForgotten(stream), `seed ${seed}`);
    }
  }
});
