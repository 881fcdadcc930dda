/** A TCP server that speaks first, as those of mail and databases do: a line that says who it is, then whatever comes, back. */
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { bind, ignore, type DemoServer, type DemoServerOptions } from './bind.ts';

const BANNER = 'frameway demo echo\r\n';

/** A client that has said all that it has to say still gets the rest of its echo. */
const HALF_OPEN = { allowHalfOpen: true };

export function startDemoEcho(options: DemoServerOptions): Promise<DemoServer> {
  const { tls } = options;
  const server =
    tls === null
      ? createServer(HALF_OPEN, echo)
      : createTlsServer({ ...HALF_OPEN, cert: tls.certificate, key: tls.key }, echo);
  return bind(server, options);
}

function echo(socket: Socket): void {
  socket.on('error', ignore);
  socket.write(BANNER);
  socket.pipe(socket);
}
