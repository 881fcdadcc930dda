/** A web server for a first try, without a framework: HTTP/1.1 and WebSocket, in clear text or over TLS. It holds nothing between requests. */
import { createHash } from 'node:crypto';
import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { pipeline, type Duplex } from 'node:stream';
import { bind, ignore, type DemoServer, type DemoServerOptions } from './bind.ts';
import { echoMessages } from './websocket-echo.ts';

/** RFC 6455 section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Whoever pools connections should be the one to close them: a server that hangs up first loses requests on their way. */
const HTTP = { keepAliveTimeout: 600_000, noDelay: true };

export function startDemoWeb(options: DemoServerOptions): Promise<DemoServer> {
  const { tls } = options;
  const server =
    tls === null
      ? createServer(HTTP, answer)
      : createTlsServer({ ...HTTP, cert: tls.certificate, key: tls.key }, answer);
  server.on('upgrade', upgrade);
  return bind(server, options);
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const PAGES: Readonly<Record<string, { readonly methods: readonly string[]; readonly answer: Answer }>> = {
  '/': { methods: ['GET', 'HEAD'], answer: sendPage },
  '/echo-headers': { methods: ['GET', 'HEAD'], answer: sendHeaders },
  '/echo': { methods: ['POST'], answer: sendBody },
};

const pathOf = ({ url = '' }: IncomingMessage): string => url.replace(/\?.*/s, '');

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = pathOf(request);
  const page = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
  const method = request.method ?? '';
  if (page?.methods.includes(method)) page.answer(request, response);
  else if (page) sendText(response.setHeader('allow', page.methods.join(', ')), 405, `${method} is not for ${path}\n`);
  else sendText(response, 404, `there is no ${path} here\n`);
}

function sendText(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}

function sendPage({ socket }: IncomingMessage, response: ServerResponse): void {
  const by = 'encrypted' in socket ? 'HTTPS' : 'HTTP';
  sendText(
    response,
    200,
    `frameway demo web, asked by ${by} on port ${socket.localPort ?? 0}

GET /echo-headers    the headers of your request, as they arrive here
POST /echo           your body, back
WebSocket /echo      your messages, back
`,
  );
}

function sendHeaders({ headers }: IncomingMessage, response: ServerResponse): void {
  sendText(response, 200, `${JSON.stringify(headers, null, 2)}\n`, 'application/json');
}

/** Back while it still comes: of a large body only what the client does not take in time waits, in the kernel. */
function sendBody(request: IncomingMessage, response: ServerResponse): void {
  const { 'content-type': type = 'application/octet-stream', 'content-length': length } = request.headers;
  response.writeHead(200, { 'content-type': type, ...(length !== undefined && { 'content-length': length }) });
  pipeline(request, response, ignore);
}

/** The server's opening handshake: RFC 6455 section 4.2. */
function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', ignore);
  const status = refusalOf(request);
  if (status === null) {
    socket.write(opening(101, ['Upgrade: websocket', 'Connection: Upgrade', ...handshake(request)]));
    if (head.length > 0) socket.unshift(head);
    echoMessages(socket);
  } else {
    // "a |Sec-WebSocket-Version| header field indicating the version(s) the server is capable of understanding" (section 4.2.2)
    const version = status === 426 ? ['Upgrade: websocket', 'Sec-WebSocket-Version: 13'] : [];
    socket.end(opening(status, ['Connection: close', 'Content-Length: 0', ...version]));
  }
}

function refusalOf(request: IncomingMessage): 400 | 404 | 426 | null {
  const { upgrade: protocol = '', 'sec-websocket-key': key = '', 'sec-websocket-version': version } = request.headers;
  if (pathOf(request) !== '/echo') return 404;
  if (request.method !== 'GET' || protocol.toLowerCase() !== 'websocket') return 400;
  if (version !== '13') return 426;
  return /^[A-Za-z0-9+/]{22}==$/.test(key) ? null : 400;
}

function handshake({ headers }: IncomingMessage): string[] {
  const key = headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(key).update(WEBSOCKET_GUID).digest('base64');
  // An echo understands every subprotocol, so it is the one that the client likes best.
  const [subprotocol] = headers['sec-websocket-protocol']?.split(',') ?? [];
  const fields = [`Sec-WebSocket-Accept: ${accept}`];
  if (subprotocol !== undefined) fields.push(`Sec-WebSocket-Protocol: ${subprotocol.trim()}`);
  return fields;
}

const opening = (status: number, fields: readonly string[]): string =>
  `HTTP/1.1 ${status} ${STATUS_CODES[status]!}\r\n${fields.join('\r\n')}\r\n\r\n`;
