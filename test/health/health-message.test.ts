import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/proto-loader';
import { loadSync } from '@grpc/proto-loader';
import { encodeRequest, ResponseReader, servingStatusName } from '../../src/health/health-message.ts';
import { Random } from '../support/random.ts';

const definition = loadSync(fileURLToPath(new URL('health.proto', import.meta.url)), { defaults: true });
const check = (definition['grpc.health.v1.Health'] as unknown as Record<'Check', MethodDefinition<object, object>>)
  .Check;

/** A message in the framing of gRPC. */
function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
const read = (...octets: number[]): number[] => new ResponseReader().read(framed(Buffer.from(octets)));

test('a request is what a protobuf library makes of it, whatever the name of the service', () => {
  assert.deepEqual(encodeRequest(''), framed(check.requestSerialize({})));
  for (const service of ['asr.v1.Recognizer', 'x'.repeat(127), 'x'.repeat(128), 'é'.repeat(10_000)]) {
    assert.deepEqual(encodeRequest(service), framed(check.requestSerialize({ service })));
  }
});

test('a response of a protobuf library is read, each status of it', () => {
  for (const status of [0, 1, 2, 3, 77, 2 ** 31 - 1]) {
    assert.deepEqual(new ResponseReader().read(framed(check.responseSerialize({ status }))), [status]);
  }
  assert.deepEqual([0, 1, 2, 3, 77].map(servingStatusName), [
    'UNKNOWN',
    'SERVING',
    'NOT_SERVING',
    'SERVICE_UNKNOWN',
    'status 77',
  ]);
});

test('messages are read wherever the borders of DATA fall', () => {
  const random = new Random(2);
  const statuses = Array.from({ length: 20 }, () => random.below(4));
  const bytes = Buffer.concat(statuses.map((status) => framed(check.responseSerialize({ status }))));
  for (let round = 0; round < 100; round++) {
    const reader = new ResponseReader();
    const cuts = [0, ...random.cuts(bytes.length, random.below(20)), bytes.length];
    const seen = cuts.slice(1).flatMap((to, i) => reader.read(bytes.subarray(cuts[i], to)));
    assert.deepEqual(seen, statuses);
  }
});

test('fields that nobody knows are passed over, and the last status counts', () => {
  assert.deepEqual(read(0x10, 0xac, 0x02, 0x08, 0x01), [1], 'a varint');
  assert.deepEqual(read(0x11, 8, 7, 6, 5, 4, 3, 2, 1, 0x08, 0x01), [1], 'eight octets');
  assert.deepEqual(read(0x1a, 0x03, 0x08, 0x02, 0x08, 0x08, 0x01), [1], 'a string');
  assert.deepEqual(read(0x25, 1, 2, 3, 4, 0x08, 0x01), [1], 'four octets');
  assert.deepEqual(read(0x08, 0x01, 0x08, 0x02), [2], 'twice');
});

test('what is no response is an error', () => {
  const malformed = /malformed health response/;
  assert.throws(() => read(0x08), malformed, 'a field without its value');
  assert.throws(() => read(0x08, 0x80), malformed, 'half a number');
  assert.throws(() => read(...Array.from({ length: 12 }, () => 0xff)), malformed, 'a number without end');
  assert.throws(() => read(0x1a, 0x09, 0x00), malformed, 'a string longer than the message');
  assert.throws(() => read(0x11, 0x00), malformed, 'half of eight octets');
  assert.throws(() => read(0x0b), malformed, 'a group');
  assert.throws(() => new ResponseReader().read(Buffer.from([1, 0, 0, 0, 2, 8, 1])), malformed, 'compressed');
  assert.throws(() => new ResponseReader().read(Buffer.from([0, 0, 2, 0, 0])), malformed, 'a message of 128 KiB');
});

test('any bytes are either read or refused', () => {
  const random = new Random(3);
  for (let round = 0; round < 2000; round++) {
    const message = random.octets(random.below(40));
    try {
      new ResponseReader().read(framed(message));
    } catch (error) {
      assert.match(String(error), /malformed health response/);
    }
  }
});
