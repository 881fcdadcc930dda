import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamTable } from '../../src/h2/stream-table.ts';
import type { Stream } from '../../src/h2/stream.ts';
import { Random } from '../support/random.ts';

/** All that a table knows of a stream. */
const makeStream = (id: number): Stream => {
  const known: Pick<Stream, 'id' | 'chained'> = { id, chained: null };
  return known as Stream;
};
const byId = (streams: Iterable<Stream>): number[] => [...streams].map(({ id }) => id).sort((a, b) => a - b);

function assertSame(table: StreamTable, map: Map<number, Stream>, why: string): void {
  assert.equal(table.size, map.size, why);
  assert.deepEqual(byId(table.all()), byId(map.values()), why);
}

test('a table keeps streams as a Map does', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const table = new StreamTable();
    const map = new Map<number, Stream>();
    const gone: Stream[] = [];
    let id = 1 + random.below(2);
    for (let n = 0; n < 400; n++) {
      const known = [...map.values()];
      const step = random.below(20);
      if (step < 10) {
        const stream = makeStream((id += 2 * (1 + random.below(random.pick([1, 1, 64])))));
        table.add(stream);
        map.set(stream.id, stream);
      } else if (step < 17 && known.length > 0) {
        const stream = random.pick(known);
        assert.ok(table.delete(stream), `seed ${seed}`);
        map.delete(stream.id);
        gone.push(stream);
      } else if (step === 17 && gone.length > 0) {
        assert.ok(!table.delete(random.pick(gone)), `seed ${seed}: deleted twice`);
      } else if (step === 18) table.trim();
      else if (random.chance(1 / 20)) {
        table.clear();
        gone.push(...known);
        map.clear();
      }
      const asked = random.below(id + 10);
      assert.equal(table.get(asked), map.get(asked), `seed ${seed}: stream ${asked}`);
      if (n % 10 === 0) assertSame(table, map, `seed ${seed}`);
    }
    for (const [key, stream] of map) assert.equal(table.get(key), stream);
    assertSame(table, map, `seed ${seed}`);
  }
});

test('streams whose ids fall together are told apart', () => {
  const table = new StreamTable();
  const streams = Array.from({ length: 64 }, (_, n) => makeStream(1 + n * 4096));
  for (const stream of streams) table.add(stream);
  for (const stream of streams) assert.equal(table.get(stream.id), stream);
  assert.equal(table.get(3), undefined);
  for (const stream of streams.toReversed()) assert.ok(table.delete(stream));
  assert.equal(table.size, 0);
});

test('the list of all streams stays as it was while streams go', () => {
  const table = new StreamTable();
  for (let id = 1; id < 100; id += 2) table.add(makeStream(id));
  for (const stream of table.all()) assert.ok(table.delete(stream));
  assert.deepEqual(table.all(), []);
});

test('a stream that was deleted holds on to no other', () => {
  const table = new StreamTable();
  const streams = Array.from({ length: 20 }, (_, n) => makeStream(4096 * n + 1));
  for (const stream of streams) table.add(stream);
  for (const stream of streams.toReversed()) table.delete(stream);
  assert.ok(streams.every(({ chained }) => chained === null));
});

test('the table may be used again after it was trimmed', () => {
  const table = new StreamTable();
  for (let round = 0; round < 3; round++) {
    const streams = Array.from({ length: 100 }, (_, n) => makeStream(2 * (n + 100 * round) + 1));
    for (const stream of streams) table.add(stream);
    table.trim();
    assert.equal(table.size, 100);
    for (const stream of streams) table.delete(stream);
    table.trim();
    assert.equal(table.get(1), undefined);
  }
});
