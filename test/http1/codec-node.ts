/** What `node:http` makes of the same bytes: an independent parser (llhttp) in its strict mode. */
import { once } from 'node:events';
import { createServer, get, METHODS } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { Duplex } from 'node:stream';

export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly fields: [string, string][];
  body: string;
  /** null until the message is complete. */
  trailers: [string, string][] | null;
}

export const knowsMethod = (method: string): boolean => METHODS.includes(method);

/** A socket on which `text` comes in pieces, and whatever is answered is lost. */
class Wire extends Duplex {
  private readonly pieces: Buffer[];
  constructor(pieces: Buffer[]) {
    super();
    this.pieces = pieces;
  }
  override _read(): void {
    this.push(this.pieces.shift() ?? null);
  }
  override _write(_piece: Buffer, _encoding: string, done: () => void): void {
    done();
  }
  setTimeout(): this {
    return this;
  }
}

export class NodeServer {
  private readonly server: Server;
  private seen: Seen[] = [];

  constructor() {
    const options = { maxHeaderSize: 256 * 1024, insecureHTTPParser: false, requireHostHeader: true };
    this.server = createServer({ ...options, keepAlive: true });
    this.server.maxHeadersCount = 0;
    for (const event of ['request', 'checkContinue', 'checkExpectation']) {
      this.server.on(event, (message: IncomingMessage) => this.add(message));
    }
    this.server.on('connect', (message, socket) => {
      this.add(message);
      socket.resume();
    });
    // Not at once: that would take what has come of earlier messages from their readers.
    this.server.on('clientError', (_error, socket) => setImmediate(() => socket.destroy()));
  }

  /** The messages in `text`, cut at `cuts`, as far as they were read. Nothing is answered. */
  async read(text: string, cuts: readonly number[]): Promise<Seen[]> {
    this.seen = [];
    const borders = [0, ...cuts, text.length];
    const pieces = borders.slice(1).map((to, i) => Buffer.from(text.slice(borders[i], to), 'latin1'));
    const wire = new Wire(pieces.filter(({ length }) => length > 0));
    this.server.emit('connection', wire);
    const { seen } = this;
    await new Promise<void>((resolve) => {
      wire.once('close', resolve);
      wire.once('end', () => setImmediate(() => wire.destroy()));
      wire.on('error', () => undefined);
    });
    return seen;
  }

  private add(message: IncomingMessage): void {
    const { rawHeaders, method = '', url = '' } = message;
    const seen: Seen = { method, target: url, fields: inPairs(rawHeaders), body: '', trailers: null };
    this.seen.push(seen);
    if (method === 'CONNECT') seen.trailers = [];
    message.on('error', () => undefined);
    message.on('data', (piece: Buffer) => (seen.body += piece.toString('latin1'))); // prettier-ignore
    message.on('end', () => (seen.trailers = inPairs(message.rawTrailers))); // prettier-ignore
  }
}

function inPairs(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i]!.toLowerCase(), raw[i + 1]!]);
  return pairs;
}

/** The response that node's client makes of `text`. */
export async function receive(text: string): Promise<{ message: IncomingMessage; body: string }> {
  const wire = new Wire([Buffer.from(text, 'latin1')]);
  const asked = get({ host: 'a', createConnection: () => wire });
  const [message] = (await once(asked, 'response')) as [IncomingMessage];
  let body = '';
  for await (const piece of message.setEncoding('latin1')) body += String(piece);
  return { message, body };
}
