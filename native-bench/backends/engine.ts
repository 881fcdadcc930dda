/** A stand-in for a speech engine: for every 3,200 bytes of a stream it answers one small message. */
import { createServer } from 'node:net';
import { chunkBytes, replyBytes } from '../loads/bidi.ts';
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  Splitter,
  frame,
  greeting,
  literal,
  preface,
  settingsAck,
} from '../wire.ts';

const head = Buffer.concat([Buffer.from([0x88]), literal('content-type', 'application/grpc')]);
const trailers = literal('grpc-status', '0');
const message = Buffer.alloc(replyBytes);
message.writeUInt32BE(replyBytes - 5, 1);

createServer({ noDelay: true }, (socket) => {
  /** Bytes received of a chunk not yet answered, by stream. */
  const streams = new Map<number, number>();
  const splitter = new Splitter((type, flags, id, payload) => {
    if (type === SETTINGS && (flags & ACK) === 0) socket.write(settingsAck);
    else if (type === PING && (flags & ACK) === 0) socket.write(frame(PING, ACK, 0, payload));
    else if (type === RST_STREAM) streams.delete(id);
    else if (type === HEADERS) {
      streams.set(id, 0);
      socket.write(frame(HEADERS, END_HEADERS, id, head));
    } else if (type === DATA) {
      let pending = (streams.get(id) ?? 0) + payload.length;
      for (; pending >= chunkBytes; pending -= chunkBytes) socket.write(frame(DATA, 0, id, message));
      streams.set(id, pending);
    }
    if (type <= HEADERS && (flags & END_STREAM) !== 0) {
      streams.delete(id);
      socket.write(frame(HEADERS, END_HEADERS | END_STREAM, id, trailers));
    }
  }, preface.length);
  socket.on('data', (chunk: Buffer) => {
    socket.cork();
    splitter.push(chunk);
    socket.uncork();
  });
  socket.on('error', () => socket.destroy());
  socket.write(greeting);
}).listen(Number(process.argv[2]), '127.0.0.1');
