/** The two scripted ends: a client that may be bad and an engine that may be worse. */
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { PREFACE, settingsFrame, type Field } from './frames.ts';
import { RawSession } from './raw-session.ts';

export type Settings = readonly (readonly [id: number, value: number])[];

export class RawClient extends RawSession {
  private nextId = 1;

  /** With `settings: null` nothing is sent at all: neither preface nor SETTINGS nor an ACK. */
  static async connect(port: number, settings: Settings | null = []): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new RawClient(socket, 0);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    if (settings) client.send(PREFACE, settingsFrame(...settings));
    else client.manners.settings = false;
    return client;
  }

  streamId(): number {
    this.nextId += 2;
    return this.nextId - 2;
  }

  /** Opens the next stream. */
  open(fields: readonly Field[], flags = 0): number {
    const id = this.streamId();
    this.headers(id, fields, flags);
    return id;
  }
}

export class RawEngine {
  readonly sessions: RawSession[] = [];
  readonly port: number;
  private readonly server: Server;
  private readonly queue: ((session: RawSession) => void)[] = [];
  private accepted = 0;

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** `script` plays each session, whose number counts from 0; without SETTINGS unless `settings` lists some. */
  static async listen(
    script: (session: RawSession, number: number) => unknown = () => undefined,
    settings: Settings | null = [],
  ): Promise<RawEngine> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const engine = new RawEngine(server);
    server.on('connection', (socket) => {
      const session = new RawSession(socket, PREFACE.length);
      if (settings) session.send(settingsFrame(...settings));
      engine.sessions.push(session);
      engine.queue.shift()?.(session);
      void script(session, engine.sessions.length - 1);
    });
    return engine;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The next session, in the order of their coming. */
  session(): Promise<RawSession> {
    const session = this.sessions[this.accepted++];
    if (session) return Promise.resolve(session);
    return new Promise((resolve) => this.queue.push(resolve));
  }

  close(): void {
    for (const session of this.sessions) session.close();
    this.server.close();
  }
}
