/**
 * The two messages of grpc.health.v1 in their gRPC framing: HealthCheckRequest { string service = 1 } and
 * HealthCheckResponse { ServingStatus status = 1 }. Two fields are not worth a protobuf library. Pure.
 */
const PREFIX = 5;
/** A response is two octets; unknown fields may come with it, within reason. */
const MAX_MESSAGE = 64 * 1024;
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

export const SERVING = 1;
export const servingStatusName = (status: number): string => STATUS_NAMES[status] ?? `status ${status}`;

/** A HealthCheckRequest, ready for DATA. */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  // A field of its default value is not written.
  const field = name.length === 0 ? [] : [0x0a, ...varint(name.length)];
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(field.length + name.length, 1);
  return Buffer.concat([prefix, Buffer.from(field), name]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Takes HealthCheckResponses out of DATA, wherever its borders fall. */
export class ResponseReader {
  private held = Buffer.alloc(0);

  /** The statuses of the messages that are complete with this chunk. Throws where the bytes are none. */
  read(chunk: Buffer): number[] {
    this.held = Buffer.concat([this.held, chunk]);
    const statuses: number[] = [];
    while (this.held.length >= PREFIX) {
      const length = this.held.readUInt32BE(1);
      if (this.held[0] !== 0 || length > MAX_MESSAGE) throw new Error('malformed health response');
      if (this.held.length < PREFIX + length) break;
      statuses.push(decodeStatus(this.held.subarray(PREFIX, PREFIX + length)));
      this.held = this.held.subarray(PREFIX + length);
    }
    return statuses;
  }
}

function decodeStatus(message: Buffer): number {
  let at = 0;
  let status = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const octet = message[at++];
      if (octet === undefined) break;
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    throw new Error('malformed health response');
  };
  const skip = (octets: number): void => void (at += octets);
  while (at < message.length) {
    const tag = number();
    if (tag === 0x08) status = number();
    else if (tag % 8 === 0) number();
    else if (tag % 8 === 1) skip(8);
    else if (tag % 8 === 2) skip(number());
    else if (tag % 8 === 5) skip(4);
    else skip(Infinity);
  }
  if (at !== message.length) throw new Error('malformed health response');
  return status;
}
