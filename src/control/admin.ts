/** The operator's door: health, readiness and metrics over HTTP. Never on the clients' port. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Counters } from '../counters.ts';
import { formatAddress, type Address } from './address.ts';
import { CONTENT_TYPE, renderMetrics, sampleProcess } from './metrics.ts';

/** What the admin server tells about. */
export interface Source {
  ready(): { ok: boolean; reason?: string };
  counters(): readonly Counters[];
}

export interface Admin {
  /** Bound `host:port`. */
  readonly address: string;
  /** At once: open connections are cut. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = (status: number, body: object): Answer => {
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
};

async function answer(path: string, source: Source, version: string): Promise<Answer> {
  switch (path) {
    case '/healthz':
      return json(200, { status: 'alive' });
    case '/readyz': {
      const { ok, reason } = source.ready();
      return ok ? json(200, { ready: true }) : json(503, { ready: false, reason: reason ?? 'not ready' });
    }
    case '/metrics': {
      const sample = await sampleProcess(version);
      return { status: 200, type: CONTENT_TYPE, body: renderMetrics(source.counters(), sample) };
    }
    default:
      return json(404, { error: 'not found (/healthz, /readyz, /metrics)' });
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' };
  response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
}

async function handle(request: IncomingMessage, response: ServerResponse, source: Source, version: string) {
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    send(request, response, json(405, { error: 'method not allowed (GET, HEAD)' }));
    return;
  }
  const path = (request.url ?? '').split('?', 1)[0]!;
  send(request, response, await answer(path, source, version));
}

/** Serves until closed. Rejects with an Error that names the address when it cannot be bound. */
export async function startAdmin(where: Address, source: Source, version: string): Promise<Admin> {
  const server = createServer({
    maxHeaderSize: 8 * 1024,
    headersTimeout: 5000,
    requestTimeout: 10_000,
    keepAliveTimeout: 15_000,
    connectionsCheckingInterval: 5000,
  });
  server.maxConnections = 100;
  server.on('request', (request, response) => {
    response.on('error', () => request.destroy());
    handle(request, response, source, version).catch((error: unknown) => {
      if (!response.headersSent) send(request, response, json(500, { error: String(error) }));
      else response.destroy();
    });
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
    else socket.destroy();
  });
  await bind(server, where);
  const { address, port } = server.address() as AddressInfo;
  return {
    address: formatAddress({ host: address, port }),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function bind(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((bound, failed) => {
    const refuse = (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the address is already in use' : error.message;
      failed(new Error(`admin: cannot listen on ${formatAddress({ host, port })}: ${reason}`, { cause: error }));
    };
    server.once('error', refuse);
    server.listen({ port, ...(host !== '' && { host }) }, () => {
      server.off('error', refuse);
      // EMFILE on accept ends up here: the connection is lost, the server lives.
      server.on('error', () => undefined);
      bound();
    });
  });
}
