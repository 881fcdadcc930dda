import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatSize, parseDuration, parsePercent, parseSize } from '../../src/units.ts';

test('durations are read with their units', () => {
  const cases = {
    '5s': 5000,
    '250ms': 250,
    '1h': 3_600_000,
    '1m30s': 90_000,
    '1.5s': 1500,
    '1.1s': 1100,
    '2d': 172_800_000,
  };
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDuration(text), ms, text);
  assert.equal(parseDuration('0'), 0);
  assert.equal(parseDuration('0.5h'), 1_800_000);
});

test('what is no duration is not guessed at', () => {
  for (const text of ['', '5', 's', '5 s', '-5s', '5S', '5sec', '30s1m', '1s1s', '0.5ms', '1e3s', 'soon', '5s ']) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test('sizes are read in binary units, and plain numbers are bytes', () => {
  const cases = {
    '64KiB': 65_536,
    '1MiB': 1_048_576,
    '512B': 512,
    '4096': 4096,
    '1.5KiB': 1536,
    '2GiB': 2_147_483_648,
  };
  for (const [text, bytes] of Object.entries(cases)) assert.equal(parseSize(text), bytes, text);
});

test('what is no size is not guessed at', () => {
  for (const text of ['', '64KB', '64k', '64 KiB', '-1', '0.5B', '1.1KiB', 'KiB', '1e3']) {
    assert.equal(parseSize(text), undefined, text);
  }
});

test('percentages are read', () => {
  assert.equal(parsePercent('25%'), 25);
  assert.equal(parsePercent('12.5 %'), 12.5);
  for (const text of ['25', '%', '-1%', '25%%']) assert.equal(parsePercent(text), undefined, text);
});

test('what is formatted is read back as it was', () => {
  for (const ms of [0, 1, 999, 1000, 90_000, 3_600_000, 86_400_000, 90_061_001]) {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }
  for (const bytes of [0, 1, 1000, 1024, 1536, 65_536, 1_048_576, 3_221_225_472]) {
    assert.equal(parseSize(formatSize(bytes)), bytes);
  }
  assert.equal(formatDuration(90_000), '1m30s');
  assert.equal(formatSize(65_536), '64KiB');
});
