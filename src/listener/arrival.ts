/**
 * A connection of which nothing is known yet: its PROXY header and its first bytes are read on the ordinary socket, and
 * handed on unread. It ends with one call of its owner.
 */
import type { Socket } from 'node:net';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import { readClientHello } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';
import { readProxyHeader } from './proxy-protocol.ts';
import type { ProxyHeader } from './proxy-protocol.ts';
import { Sniffer } from './sniff.ts';
import type { Sniffed } from './sniff.ts';

/** What came of it. */
export interface Arrived {
  readonly protocol: Exclude<Sniffed, 'more'>;
  /** Of `tls`, unless it is malformed. */
  readonly hello: ClientHello | null;
  readonly header: ProxyHeader | null;
  /** All that came after the PROXY header. */
  readonly bytes: Buffer;
}

export interface ArrivalOwner {
  onArrived(arrived: Arrived): void;
  /** It went away, or took too long; the socket is to be destroyed. `reason` is null where the client just left. */
  onLost(reason: string | null): void;
}

export interface ArrivalOptions {
  /** The connection begins with a PROXY header. */
  readonly header: boolean;
  /** Milliseconds for all of it. */
  readonly timeout: number;
  /** Silence of so many milliseconds means TCP; 0: it means nothing. */
  readonly serverFirstDelay: number;
  /** What it is bound to be, so that nothing but a PROXY header is waited for. */
  readonly only: 'tcp' | null;
}

const NOTHING: Buffer = Buffer.alloc(0);
const TOO_SLOW = 'the first bytes did not tell a protocol in time';

export class Arrival {
  private readonly socket: Socket;
  private readonly wheel: TimerWheel;
  private readonly owner: ArrivalOwner;
  private readonly sniffer = new Sniffer();
  private readonly deadline: Timer;
  private readonly silence: Timer;
  private stage: 'header' | 'protocol' | 'hello' | 'over';
  private readonly only: ArrivalOptions['only'];
  private header: ProxyHeader | null = null;
  /** What was read and is not the PROXY header's, and how much of it the sniffer has seen. */
  private bytes = NOTHING;
  private sniffed = 0;

  /** Begins at once. The socket is paused, and has an error handler. */
  constructor(socket: Socket, options: ArrivalOptions, wheel: TimerWheel, owner: ArrivalOwner) {
    this.socket = socket;
    this.wheel = wheel;
    this.owner = owner;
    this.only = options.only;
    this.stage = options.header ? 'header' : 'protocol';
    this.deadline = new Timer(() => this.lookAgain(() => this.lose(TOO_SLOW)));
    this.silence = new Timer(() => {
      this.lookAgain(() => {
        if (this.bytes.length === 0) this.arrive('tcp', null);
      });
    });
    wheel.arm(this.deadline, options.timeout);
    if (options.serverFirstDelay > 0) wheel.arm(this.silence, options.serverFirstDelay);
    socket.on('readable', this.onReadable);
    socket.on('end', this.onEnd);
    socket.on('close', this.onClose);
  }

  /** Nobody wants to know any more. */
  stop(): void {
    if (this.stage === 'over') return;
    this.stage = 'over';
    this.wheel.disarm(this.deadline);
    this.wheel.disarm(this.silence);
    this.socket.off('readable', this.onReadable);
    this.socket.off('end', this.onEnd);
    this.socket.off('close', this.onClose);
  }

  private readonly onReadable = (): void => {
    // Once it is over what has been put back is not ours to read.
    while (this.stage !== 'over') {
      const chunk = this.read();
      if (chunk === null) return;
      this.wheel.disarm(this.silence);
      this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
      this.look();
    }
  };
  private readonly onEnd = (): void => {
    // What has come is all there is.
    if (this.stage === 'protocol' && this.bytes.length > 0) this.know(this.sniffer.end());
    else this.lose(null);
  };
  private readonly onClose = (): void => this.lose(null);

  /** Where the process was busy for long, what came in time is read only after the timers: it counts all the same. */
  private lookAgain(then: () => void): void {
    setImmediate(() => {
      if (this.stage !== 'over') then();
    });
  }

  private read(): Buffer | null {
    return this.socket.read() as Buffer | null;
  }

  private look(): void {
    if (this.stage === 'header') this.readHeader();
    if (this.stage === 'protocol' && this.sniffed < this.bytes.length) {
      const from = this.sniffed;
      this.sniffed = this.bytes.length;
      this.know(this.sniffer.push(this.bytes, from, this.sniffed));
    } else if (this.stage === 'hello') this.readHello();
  }

  private readHeader(): void {
    const header = readProxyHeader(this.bytes, 0, this.bytes.length);
    if (header === 'more') return;
    if (header === 'bad') {
      this.lose('no PROXY header, or a malformed one');
      return;
    }
    this.header = header;
    this.bytes = this.bytes.subarray(header.length);
    this.stage = 'protocol';
    if (this.only !== null) this.arrive(this.only, null);
  }

  private know(verdict: Sniffed): void {
    if (verdict === 'more') return;
    if (verdict !== 'tls') {
      this.arrive(verdict, null);
      return;
    }
    this.stage = 'hello';
    this.readHello();
  }

  private readHello(): void {
    const hello = readClientHello(this.bytes, 0, this.bytes.length);
    if (hello !== 'more') this.arrive('tls', hello === 'bad' ? null : hello);
  }

  private arrive(protocol: Arrived['protocol'], hello: ClientHello | null): void {
    this.stop();
    this.owner.onArrived({ protocol, hello, header: this.header, bytes: this.bytes });
  }
  private lose(reason: string | null): void {
    this.stop();
    this.owner.onLost(reason);
  }
}
