/** What clients are told whose protocol is not served here, in that protocol's own words. */
import { ErrorCode } from '../errors.ts';
import { writeGoaway, writeSettings } from '../h2/frame-writer.ts';

export const BAD_REQUEST = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  'latin1',
);

/** The server's preface, and at once the end. */
export const GOAWAY = goodbye();

function goodbye(): Buffer {
  const sink = { buffer: Buffer.alloc(128), at: 0, reserve: () => undefined };
  writeSettings(sink, []);
  writeGoaway(sink, 0, ErrorCode.PROTOCOL_ERROR, 'HTTP/2 is not served here');
  return sink.buffer.subarray(0, sink.at);
}
