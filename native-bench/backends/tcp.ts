/** Sends back whatever it gets. Clients that wait for their echo bound what it holds. */
import { createServer } from 'node:net';

createServer({ noDelay: true }, (socket) => {
  socket.on('data', (chunk: Buffer) => socket.write(chunk));
  socket.on('error', () => socket.destroy());
}).listen(Number(process.argv[2]), '127.0.0.1');
