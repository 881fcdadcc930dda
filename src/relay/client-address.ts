/**
 * Who the client is: the rightmost untrusted `x-forwarded-for` entry if the peer is a trusted proxy, else the peer. What an
 * untrusted peer says of itself is replaced, never appended to.
 */
import { isIP } from 'node:net';
import { makeField, sharedField, Token, wellKnown } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { UNKEPT } from '../hpack/kept-blocks.ts';
import { AddressBlocks, plainAddress } from './cidr.ts';
import type { RequestHead } from './message.ts';

/** Peers whose word on the client is believed. */
export { AddressBlocks as TrustedProxies, plainAddress };

const NO_FIELDS: readonly Field[] = [];
const X_FORWARDED_FOR = wellKnown('x-forwarded-for');
const PROTOS = { http: makeField('x-forwarded-proto', 'http'), https: makeField('x-forwarded-proto', 'https') };

/** A downstream connection's peer: made once a connection, asked once a request. */
export class Peer {
  readonly address: string;
  readonly trusted: boolean;
  private readonly forwardedFor: Field;
  readonly scheme: 'http' | 'https';
  private readonly proto: Field;
  private requests = 0;
  /** What was last asked, and what became of it: a client repeats itself. */
  private asked: readonly Field[] | null = null;
  private forwarded: readonly Field[] = NO_FIELDS;

  /** `scheme` is what the client used towards us. */
  constructor(address: string, trusted: AddressBlocks, scheme: 'http' | 'https' = 'http') {
    this.address = plainAddress(address);
    this.trusted = trusted.has(this.address);
    this.scheme = scheme;
    this.proto = PROTOS[scheme];
    this.forwardedFor = sharedField(X_FORWARDED_FOR, this.address);
  }

  /** Replaces in `head` what it says of the client by what the engine may believe; returns the client's address. */
  forward(head: RequestHead, proxies: AddressBlocks): string {
    if (this.trusted) return this.append(head, proxies);
    const { fields } = head;
    if (fields === this.asked) head.fields = this.forwarded;
    else {
      const said = fields.some(speaksOfClient) ? fields.filter((field) => !speaksOfClient(field)) : fields;
      head.fields = [...said, this.forwardedFor, this.proto];
      this.keep(fields, head.fields);
    }
    return this.address;
  }

  private keep(asked: readonly Field[], forwarded: readonly Field[]): void {
    if (++this.requests <= UNKEPT) return;
    this.asked = asked;
    this.forwarded = forwarded;
  }

  private append(head: RequestHead, proxies: AddressBlocks): string {
    const { fields } = head;
    const said = fields.filter(({ name }) => name.token === Token.X_FORWARDED_FOR).map(({ value }) => value);
    const chain = said.flatMap((value) => value.split(',')).map((entry) => entry.trim());
    let client = this.address;
    for (let i = chain.length - 1; i >= 0; i--) {
      const entry = plainAddress(chain[i]!);
      if (isIP(entry) === 0) break;
      client = entry;
      if (!proxies.has(entry)) break;
    }
    const rest = fields.filter(({ name }) => name.token !== Token.X_FORWARDED_FOR);
    rest.push(makeField('x-forwarded-for', [...said, this.address].join(', ')));
    if (!fields.some(({ name }) => name === this.proto.name)) rest.push(this.proto);
    head.fields = rest;
    return client;
  }
}

/** `forwarded` and `x-forwarded-*`: an engine may believe the port, the prefix or the user as well. */
export const speaksOfClient = ({ name }: Field): boolean =>
  name.token === Token.X_FORWARDED_FOR || name.token === Token.FORWARDED;
