import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode } from '../../src/errors.ts';
import { Flag, frame, frameHeader, Type } from '../support/frames.ts';
import type { TypeName } from '../support/frames.ts';
import { Reading } from './reading.ts';
import type { Call } from './reading.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;
const read = (octets: Buffer): Reading => Reading.begun().feed(octets);
const hex = (length: number): string => '00'.repeat(length);

/** RFC 9113 section 6: where each frame may come, how long it may be, and what 0-octets in it say. */
interface Rule {
  readonly on: 'stream' | 'connection' | 'either';
  readonly legal: (length: number) => boolean;
  readonly flags: number;
  readonly call: (streamId: number, length: number) => Call;
}
const any = (): boolean => true;
const RULES: Partial<Record<TypeName, Rule>> = {
  DATA: { on: 'stream', legal: any, flags: 0, call: (id, n) => ['data', id, false, hex(n), n] },
  HEADERS: { on: 'stream', legal: any, flags: Flag.END_HEADERS, call: (id, n) => ['headers', id, false, -1, hex(n)] },
  // A wrong length is an error of the stream, which the reader knows nothing of.
  PRIORITY: { on: 'stream', legal: any, flags: 0, call: (id, n) => ['priority', id, n === 5 ? 0 : 'malformed'] },
  RST_STREAM: { on: 'stream', legal: (n) => n === 4, flags: 0, call: (id) => ['reset', id, 0] },
  // Its length is judged with its content.
  SETTINGS: { on: 'connection', legal: any, flags: 0, call: (_, n) => ['settings', false, hex(n)] },
  PING: { on: 'connection', legal: (n) => n === 8, flags: 0, call: () => ['ping', false, hex(8)] },
  GOAWAY: { on: 'connection', legal: (n) => n >= 8, flags: 0, call: (_, n) => ['goaway', 0, 0, hex(n - 8)] },
  WINDOW_UPDATE: { on: 'either', legal: (n) => n === 4, flags: 0, call: (id) => ['window', id, 0] },
};
const LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 256, 16_383, 16_384];

for (const [name, rule] of Object.entries(RULES)) {
  const type = Type[name as TypeName];

  test(`${name} is taken on its streams and in its lengths, and is a connection error otherwise`, () => {
    for (const streamId of [0, 1, 2, 0x7fffffff]) {
      for (const length of LENGTHS) {
        const reading = read(frame(type, rule.flags, streamId, Buffer.alloc(length)));
        const placed = rule.on === 'either' || (streamId === 0) === (rule.on === 'connection');
        const where = `${length} octets on stream ${streamId}`;
        if (placed && rule.legal(length)) assert.deepEqual(reading.calls, [rule.call(streamId, length)], where);
        else if (placed) assert.equal(reading.error, FRAME_SIZE_ERROR, where);
        else if (rule.legal(length)) assert.equal(reading.error, PROTOCOL_ERROR, where);
        else assert.ok(reading.error === PROTOCOL_ERROR || reading.error === FRAME_SIZE_ERROR, where);
      }
    }
  });

  test(`${name} ignores the flags that it does not define, and the reserved bit of the stream`, () => {
    const defined = { DATA: 0x09, HEADERS: 0x2d, SETTINGS: 0x01, PING: 0x01 }[name] ?? 0;
    const streamId = rule.on === 'connection' ? 0 : 5;
    const length = [8, 4, 5].find(rule.legal)!;
    const told = (flags: number, id: number): Call[] => {
      const octets = [frame(type, flags, id, Buffer.alloc(length))];
      const begun = type === Type.HEADERS && (flags & Flag.END_HEADERS) === 0;
      if (begun) octets.push(frame(Type.CONTINUATION, Flag.END_HEADERS, id));
      return read(Buffer.concat(octets)).calls;
    };
    for (let flags = 0; flags < 256; flags++) {
      assert.deepEqual(told(flags, 2 ** 31 + streamId), told(flags & defined, streamId), `flags ${flags}`);
    }
  });
}

test('the flags and the numbers of a frame are told as they are', () => {
  const bytes = (text: string): Buffer => Buffer.from(text, 'hex');
  const cases: [Buffer, Call][] = [
    [frame(Type.DATA, Flag.END_STREAM, 3, 'abc'), ['data', 3, true, '616263', 3]],
    [frame(Type.HEADERS, 0x5, 3, 'abc'), ['headers', 3, true, -1, '616263']],
    [frame(Type.HEADERS, 0x24, 3, bytes('80000007ff82')), ['headers', 3, false, 7, '82']],
    [frame(Type.HEADERS, 0x2c, 3, bytes('027fffffff108687dead')), ['headers', 3, false, 0x7fffffff, '8687']],
    [frame(Type.PRIORITY, 0, 3, bytes('8000000510')), ['priority', 3, 5]],
    [frame(Type.RST_STREAM, 0, 3, bytes('fffffffe')), ['reset', 3, 0xfffffffe]],
    [frame(Type.SETTINGS, Flag.ACK, 0), ['settings', true, '']],
    [frame(Type.PING, Flag.ACK, 0, 'frameway'), ['ping', true, Buffer.from('frameway').toString('hex')]],
    [frame(Type.GOAWAY, 0, 0, bytes('ffffffff80000001c0de')), ['goaway', 0x7fffffff, 0x80000001, 'c0de']],
    [frame(Type.WINDOW_UPDATE, 0, 0, bytes('ffffffff')), ['window', 0, 0x7fffffff]],
    [frame(Type.WINDOW_UPDATE, 0, 9, bytes('80000000')), ['window', 9, 0]],
  ];
  for (const [octets, call] of cases) assert.deepEqual(read(octets).calls, [call]);
});

test('frames of unknown types are ignored, whatever they look like', () => {
  for (const type of [0xa, 0xb, 0xc, 0x10, 0x7f, 0xff]) {
    for (const streamId of [0, 1]) {
      for (const length of [0, 3, 16_384]) {
        const octets = frame(type, 0xff, streamId, Buffer.alloc(length, 0xff));
        assert.deepEqual(read(octets).calls, [['unknown']], `type ${type} with ${length} octets`);
      }
    }
  }
});

test('PUSH_PROMISE is refused from everybody', () => {
  for (const payload of [Buffer.from('00000002', 'hex'), Buffer.alloc(100)]) {
    assert.equal(read(frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 1, payload)).error, PROTOCOL_ERROR);
  }
});

test('a frame of more than 16,384 octets is refused by its header alone, of whatever type', () => {
  for (const type of [...Object.values(Type), 0xee]) {
    for (const length of [16_385, 65_536, 0xffffff]) {
      const header = frameHeader(length, type, 0, type === Type.SETTINGS ? 0 : 1);
      for (const cuts of [[], [1], [3], [8]]) {
        assert.equal(Reading.begun().feed(header, cuts).error, FRAME_SIZE_ERROR, `type ${type} of ${length}`);
      }
    }
  }
});

test('padding of DATA is cut off, and counts against the windows', () => {
  for (const data of ['', 'x', 'some audio']) {
    for (const padding of [0, 1, 2, 254, 255]) {
      const payload = Buffer.concat([Buffer.from([padding]), Buffer.from(data), Buffer.alloc(padding)]);
      const told: Call = ['data', 1, true, Buffer.from(data).toString('hex'), payload.length];
      assert.deepEqual(read(frame(Type.DATA, Flag.PADDED | Flag.END_STREAM, 1, payload)).calls, [told]);
    }
  }
});

test('padding of HEADERS is cut off, with and without a priority', () => {
  for (const priority of ['', '0000000710']) {
    for (const padding of [0, 1, 255]) {
      const head = Buffer.concat([Buffer.from([padding]), Buffer.from(priority, 'hex')]);
      const payload = Buffer.concat([head, Buffer.from('block'), Buffer.alloc(padding)]);
      const flags = Flag.PADDED | Flag.END_HEADERS | (priority === '' ? 0 : Flag.PRIORITY);
      const told: Call = ['headers', 1, false, priority === '' ? -1 : 7, Buffer.from('block').toString('hex')];
      assert.deepEqual(read(frame(Type.HEADERS, flags, 1, payload)).calls, [told]);
    }
  }
});

test('padding longer than what is left of the frame is PROTOCOL_ERROR', () => {
  const tooLong = (type: number, flags: number, fixed: number): void => {
    for (const length of [0, 1, 100]) {
      for (const padding of [length + 1, length + 2, 255]) {
        const payload = Buffer.alloc(1 + fixed + length);
        payload[0] = padding;
        const { error } = read(frame(type, flags | Flag.PADDED, 1, payload));
        assert.equal(error, PROTOCOL_ERROR, `type ${type}: ${padding} of ${length}`);
      }
    }
  };
  tooLong(Type.DATA, 0, 0);
  tooLong(Type.HEADERS, Flag.END_HEADERS, 0);
  tooLong(Type.HEADERS, Flag.END_HEADERS | Flag.PRIORITY, 5);
});

test('a frame too short for the fields that its flags announce is FRAME_SIZE_ERROR', () => {
  const short = (type: number, flags: number, length: number): void => {
    const { error } = read(frame(type, flags, 1, Buffer.alloc(length)));
    assert.equal(error, FRAME_SIZE_ERROR, `type ${type}, flags ${flags}, ${length} octets`);
  };
  short(Type.DATA, Flag.PADDED, 0);
  short(Type.HEADERS, Flag.PADDED | Flag.END_HEADERS, 0);
  for (let n = 0; n < 5; n++) short(Type.HEADERS, Flag.PRIORITY | Flag.END_HEADERS, n);
  for (let n = 0; n < 6; n++) short(Type.HEADERS, Flag.PADDED | Flag.PRIORITY | Flag.END_HEADERS, n);
});
