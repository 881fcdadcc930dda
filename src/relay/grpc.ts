/** The little of gRPC that a proxy needs without decoding protobuf: deadlines, and where messages begin. */

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** `grpc-timeout` in milliseconds, or null if it is malformed ("at most 8 digits" and a unit). */
export function parseTimeout(value: string): number | null {
  const unit = UNITS[value.slice(-1)];
  const digits = value.slice(0, -1);
  return unit !== undefined && /^[0-9]{1,8}$/.test(digits) ? Number(digits) * unit : null;
}

/** Milliseconds as `grpc-timeout`, rounded down, in the finest unit that has room. */
export function formatTimeout(ms: number): string {
  if (ms < 100_000) return `${Math.max(0, Math.floor(ms * 1000))}u`;
  if (ms < 100_000_000) return `${Math.floor(ms)}m`;
  return `${Math.min(99_999_999, Math.floor(ms / 1000))}S`;
}

/** `grpc-message` is percent-encoded: all but printable ASCII, and the percent sign. */
export const encodeMessage = (message: string): string =>
  // By octets, for `encodeURIComponent` throws at half a surrogate pair.
  Buffer.from(message)
    .toString('latin1')
    .replace(/[^\x20-\x24\x26-\x7e]/g, (octet) => `%${Buffer.from(octet, 'latin1').toString('hex').toUpperCase()}`);

/** Counts length-prefixed messages in DATA, wherever its borders fall. */
export class MessageCounter {
  /** Messages that have begun. */
  count = 0;
  /** Octets of the longest whose prefix has come. */
  longest = 0;
  /** Octets of the five-octet prefix read so far, and its length field. */
  private prefix = 0;
  private length = 0;
  /** Octets of the message that are still to come. */
  private rest = 0;

  read(buffer: Buffer, from: number, to: number): void {
    while (from < to) {
      if (this.rest > 0) {
        const n = Math.min(this.rest, to - from);
        this.rest -= n;
        from += n;
        continue;
      }
      if (this.prefix === 0) this.count++;
      else this.length = this.length * 256 + buffer[from]!;
      from++;
      if (++this.prefix < 5) continue;
      this.rest = this.length;
      if (this.length > this.longest) this.longest = this.length;
      this.prefix = 0;
      this.length = 0;
    }
  }
}
