/** Answers every HTTP/1.1 request with 100 bytes. Requests have no body: nothing is read of them but where they end. */
import { createServer } from 'node:net';

const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n${'x'.repeat(100)}`,
);

createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end; (end = bytes.indexOf('\r\n\r\n', at)) >= 0; at = end + 4) socket.write(answer);
    rest = bytes.subarray(at);
  });
  socket.on('error', () => socket.destroy());
}).listen(Number(process.argv[2]), '127.0.0.1');
