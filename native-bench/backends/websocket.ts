/** Sends back every WebSocket message that it gets. */
import { createServer } from 'node:net';
import { MessageSplitter, message, upgraded } from '../websocket.ts';

createServer({ noDelay: true }, (socket) => {
  const splitter = new MessageSplitter((payload) => socket.write(message(payload)));
  let request = '';
  const onRequest = (chunk: Buffer) => {
    request += chunk.toString('latin1');
    const end = request.indexOf('\r\n\r\n');
    if (end < 0) return;
    socket.write(upgraded(request));
    socket.off('data', onRequest).on('data', (frames: Buffer) => splitter.push(frames));
    splitter.push(Buffer.from(request.slice(end + 4), 'latin1'));
  };
  socket.on('data', onRequest);
  socket.on('error', () => socket.destroy());
}).listen(Number(process.argv[2]), '127.0.0.1');
