import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashString, mix32 } from '../../src/balance/hash.ts';

test("the hash has MurmurHash3's published values", () => {
  // The octets of the published vectors, two to a code unit.
  assert.equal(hashString(''), 0);
  assert.equal(hashString('\0'), 0x30f4c306);
  assert.equal(hashString('\0\0'), 0x2362f9de);
  assert.equal(hashString('\uffff\uffff'), 0x76293b50);
  assert.equal(hashString('\u4321\u8765'), 0xf55b516b);
  assert.equal(hashString('\u4321'), 0xa0f7b07a);
  assert.equal(hashString('\u6574\u7473'), 0xba6bd213, 'the octets of "test"');
});

test('keys that differ in a digit are spread evenly over the 32 bits', () => {
  for (const name of ['', 'session-', '127.0.0.1:', 'x'.repeat(40)]) {
    const buckets = new Uint32Array(256);
    const low = new Uint32Array(256);
    for (let n = 0; n < 100_000; n++) {
      const hash = hashString(`${name}${n}`);
      buckets[hash >>> 24]!++;
      low[hash & 255]!++;
    }
    for (const counts of [buckets, low]) {
      // Chi squared of 255 degrees of freedom: 255 at the middle, 350 in one of 30,000 good hashes.
      let chi = 0;
      for (const count of counts) chi += (count - 390.625) ** 2 / 390.625;
      assert.ok(chi < 350, `${name}: ${chi}`);
    }
  }
});

test('each bit of the input moves about half of the bits of the mix', () => {
  for (let bit = 0; bit < 32; bit++) {
    let flipped = 0;
    for (let n = 0; n < 1000; n++) {
      for (let left = mix32(n) ^ mix32(n ^ (1 << bit)); left !== 0; left &= left - 1) flipped++;
    }
    assert.ok(Math.abs(flipped / 1000 - 16) < 1, `bit ${bit}: ${flipped / 1000} bits`);
  }
});
