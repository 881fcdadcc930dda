/** A header block that came in HEADERS and CONTINUATION frames, put together within limits. */
export class HeaderBlock {
  readonly streamId: number;
  readonly end: boolean;
  readonly dependency: number;
  octets: Buffer;
  private frames = 0;
  private empty = 0;

  constructor(streamId: number, end: boolean, dependency: number, buffer: Buffer, from: number, to: number) {
    this.streamId = streamId;
    this.end = end;
    this.dependency = dependency;
    this.octets = Buffer.from(buffer.subarray(from, to));
  }

  /** Adds a CONTINUATION; false if there are too many of them, or too much in them. */
  append(
    buffer: Buffer,
    from: number,
    to: number,
    limits: { readonly maxHeaderBlockSize: number; readonly maxContinuationFrames: number },
  ): boolean {
    this.frames++;
    // One empty CONTINUATION may come from a clumsy peer; a second one is a flood.
    if (from === to && ++this.empty > 1) return false;
    if (this.frames > limits.maxContinuationFrames) return false;
    if (this.octets.length + to - from > limits.maxHeaderBlockSize) return false;
    this.octets = Buffer.concat([this.octets, buffer.subarray(from, to)]);
    return true;
  }
}
