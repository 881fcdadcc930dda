/** An upstream that remembers whether a call was ever given to one of its engines. */
import type { Failure } from '../errors.ts';
import type { Caller, Carrier, CarrierSource } from './half.ts';
import type { KeySpec } from '../snapshot.ts';
import type { RequestHead } from './message.ts';

/** For one call: it stands between the exchange and the upstream that it asks. */
export class Reached implements CarrierSource, Caller {
  /** If not, it was certainly not executed. */
  reached = false;
  readonly head: RequestHead;
  readonly client: string;
  place: unknown = null;
  private readonly upstream: CarrierSource;
  private caller: Caller | null = null;

  constructor(upstream: CarrierSource, head: RequestHead, client: string) {
    this.upstream = upstream;
    this.head = head;
    this.client = client;
  }
  get name(): string {
    return this.upstream.name;
  }

  get hashKey(): KeySpec | null {
    return this.caller?.hashKey ?? null;
  }
  get tenant(): string | null {
    return this.caller?.tenant ?? null;
  }

  acquire(caller: Caller, avoid: Carrier | null): Carrier | null {
    this.caller = caller;
    const carrier = this.upstream.acquire(this, avoid);
    if (carrier !== null) this.reached = true;
    return carrier;
  }
  cancel(): void {
    this.upstream.cancel(this);
  }
  released(): void {
    this.upstream.released?.(this);
  }

  onCarrier(carrier: Carrier): void {
    this.reached = true;
    this.caller?.onCarrier(carrier);
  }
  onUnavailable(failure: Failure): void {
    this.caller?.onUnavailable(failure);
  }
}
