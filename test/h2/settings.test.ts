import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode } from '../../src/errors.ts';
import { PeerSettings } from '../../src/h2/settings.ts';
import { Setting, settingsFrame } from '../support/frames.ts';

type Pair = readonly [id: number, value: number];
const SERVER = true;
const CLIENT = false;
const { NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM } = ErrorCode;

/** Applies one SETTINGS frame as it lies in a read buffer, its header before it and other octets behind. */
function apply(settings: PeerSettings, from: boolean, ...pairs: readonly Pair[]): number {
  const frame = settingsFrame(...pairs);
  return settings.apply(Buffer.concat([frame, Buffer.alloc(9, 0xff)]), 9, frame.length, from);
}

const plain = (settings: PeerSettings): object => Object.fromEntries(Object.entries(settings));

test('each setting takes its legal values and refuses the others with its own code', () => {
  const MAX = 0xffffffff;
  const cases: [id: number, legal: number[], illegal: number[], code: number][] = [
    [Setting.HEADER_TABLE_SIZE, [0, 1, 4096, 65_536, MAX], [], NO_ERROR],
    [Setting.MAX_CONCURRENT_STREAMS, [0, 1, 100, MAX], [], NO_ERROR],
    [Setting.INITIAL_WINDOW_SIZE, [0, 1, 65_535, 0x7fffffff], [0x80000000, MAX], FLOW_CONTROL_ERROR],
    [Setting.MAX_FRAME_SIZE, [16_384, 16_385, 0xffffff], [0, 1, 16_383, 0x1000000, MAX], PROTOCOL_ERROR],
    [Setting.MAX_HEADER_LIST_SIZE, [0, 1, MAX], [], NO_ERROR],
    [Setting.ENABLE_PUSH, [0], [2, 3, MAX], PROTOCOL_ERROR],
  ];
  for (const from of [SERVER, CLIENT]) {
    for (const [id, legal, illegal, code] of cases) {
      for (const value of legal) assert.equal(apply(new PeerSettings(), from, [id, value]), NO_ERROR, `${id}=${value}`);
      for (const value of illegal) assert.equal(apply(new PeerSettings(), from, [id, value]), code, `${id}=${value}`);
    }
  }
});

test('a client may enable push, a server may not', () => {
  assert.equal(apply(new PeerSettings(), CLIENT, [Setting.ENABLE_PUSH, 1]), NO_ERROR);
  assert.equal(apply(new PeerSettings(), SERVER, [Setting.ENABLE_PUSH, 1]), PROTOCOL_ERROR);
});

test('values are taken over as they are', () => {
  const settings = new PeerSettings();
  const pairs: Pair[] = [
    [Setting.HEADER_TABLE_SIZE, 0],
    [Setting.MAX_CONCURRENT_STREAMS, 0xffffffff],
    [Setting.INITIAL_WINDOW_SIZE, 0x7fffffff],
    [Setting.MAX_FRAME_SIZE, 0xffffff],
    [Setting.MAX_HEADER_LIST_SIZE, 0xfffffffe],
    [Setting.ENABLE_CONNECT_PROTOCOL, 1],
  ];
  assert.equal(apply(settings, SERVER, ...pairs), NO_ERROR);
  assert.deepEqual(plain(settings), {
    enableConnectProtocol: true,
    headerTableSize: 0,
    maxConcurrentStreams: 0xffffffff,
    initialWindowSize: 0x7fffffff,
    maxFrameSize: 0xffffff,
    maxHeaderListSize: 0xfffffffe,
    received: true,
  });
});

test('of a setting that comes twice the last value counts, and an illegal one is illegal before it', () => {
  const settings = new PeerSettings();
  apply(settings, CLIENT, [Setting.MAX_CONCURRENT_STREAMS, 7], [Setting.MAX_CONCURRENT_STREAMS, 8]);
  assert.equal(settings.maxConcurrentStreams, 8);
  const twice: Pair[] = [
    [Setting.MAX_FRAME_SIZE, 1],
    [Setting.MAX_FRAME_SIZE, 16_384],
  ];
  assert.equal(apply(settings, CLIENT, ...twice), PROTOCOL_ERROR);
});

test('unknown settings are ignored', () => {
  const settings = new PeerSettings();
  const before = { ...plain(settings), received: true, maxConcurrentStreams: Infinity };
  for (const id of [0, 7, 9, 0x10, 0x0104, 0x0204, 0x0a0a, 0xffff]) {
    assert.equal(apply(settings, SERVER, [id, 0xffffffff]), NO_ERROR, `${id}`);
  }
  assert.deepEqual(plain(settings), before);
});

test('32 settings in a frame are a configuration, 33 a flood', () => {
  const pairs = (n: number): Pair[] => Array.from({ length: n }, () => [Setting.HEADER_TABLE_SIZE, 4096]);
  assert.equal(apply(new PeerSettings(), CLIENT, ...pairs(32)), NO_ERROR);
  assert.equal(apply(new PeerSettings(), CLIENT, ...pairs(33)), ENHANCE_YOUR_CALM);
});

test('a length that is no multiple of six is FRAME_SIZE_ERROR', () => {
  for (let length = 0; length <= 20; length++) {
    const error = new PeerSettings().apply(Buffer.alloc(length), 0, length, CLIENT);
    assert.equal(error, length % 6 === 0 ? NO_ERROR : FRAME_SIZE_ERROR, `${length}`);
  }
});

test('100 streams are open to us before the first SETTINGS, any number after one that names none', () => {
  const settings = new PeerSettings();
  assert.equal(settings.maxConcurrentStreams, 100);
  assert.ok(!settings.received);
  apply(settings, SERVER);
  assert.equal(settings.maxConcurrentStreams, Infinity);
  assert.ok(settings.received);
});

test('a later SETTINGS leaves what it does not name', () => {
  const settings = new PeerSettings();
  apply(settings, SERVER, [Setting.MAX_CONCURRENT_STREAMS, 3], [Setting.INITIAL_WINDOW_SIZE, 10]);
  apply(settings, SERVER, [Setting.INITIAL_WINDOW_SIZE, 20]);
  assert.equal(settings.maxConcurrentStreams, 3);
  assert.equal(settings.initialWindowSize, 20);
});

test('the defaults are those of RFC 9113', () => {
  const { headerTableSize, initialWindowSize, maxFrameSize, maxHeaderListSize } = new PeerSettings();
  assert.deepEqual(
    [headerTableSize, initialWindowSize, maxFrameSize, maxHeaderListSize],
    [4096, 65_535, 16_384, Infinity],
  );
});

test('the extended CONNECT is allowed by 1, and what was allowed is not taken back', () => {
  const settings = new PeerSettings();
  assert.equal(apply(settings, SERVER, [Setting.ENABLE_CONNECT_PROTOCOL, 0]), NO_ERROR);
  assert.equal(apply(settings, SERVER, [Setting.ENABLE_CONNECT_PROTOCOL, 2]), PROTOCOL_ERROR);
  assert.equal(apply(settings, SERVER, [Setting.ENABLE_CONNECT_PROTOCOL, 1]), NO_ERROR);
  assert.equal(settings.enableConnectProtocol, true);
  assert.equal(apply(settings, SERVER, [Setting.ENABLE_CONNECT_PROTOCOL, 0]), PROTOCOL_ERROR);
});
