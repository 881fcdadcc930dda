/**
 * Who the client is: the rightmost untrusted `x-forwarded-for` entry if the peer is a trusted proxy, else the peer. What an
 * untrusted peer says of itself is replaced, never appended to.
 */
import { BlockList, isIP } from 'node:net';
import { makeField, Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { RequestHead } from './message.ts';

/** Addresses that are believed, from `a.b.c.d/n`, `x::y/n` or single addresses. */
export class TrustedProxies {
  private readonly list: BlockList | null;

  constructor(blocks: readonly string[]) {
    this.list = blocks.length === 0 ? null : new BlockList();
    for (const block of blocks) {
      const [address = '', bits] = block.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.list?.addAddress(address, family);
      else this.list?.addSubnet(address, Number(bits), family);
    }
  }
  has(address: string): boolean {
    const family = this.list === null ? 0 : isIP(address);
    return family !== 0 && this.list !== null && this.list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** An IPv4 address that a dual-stack socket shows as IPv6, as IPv4. */
export const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;

const PROTO = makeField('x-forwarded-proto', 'http');

/** A downstream connection's peer: made once a connection, asked once a request. */
export class Peer {
  readonly address: string;
  readonly trusted: boolean;
  private readonly forwardedFor: Field;

  constructor(address: string, trusted: TrustedProxies) {
    this.address = plainAddress(address);
    this.trusted = trusted.has(this.address);
    this.forwardedFor = makeField('x-forwarded-for', this.address);
  }

  /** Replaces in `head` what it says of the client by what the engine may believe; returns the client's address. */
  forward(head: RequestHead, proxies: TrustedProxies): string {
    if (this.trusted) return this.append(head, proxies);
    const { fields } = head;
    for (let i = 0; i < fields.length; i++) {
      if (speaksOfClient(fields[i]!)) {
        head.fields = fields.filter((field) => !speaksOfClient(field));
        break;
      }
    }
    head.fields.push(this.forwardedFor, PROTO);
    return this.address;
  }

  private append(head: RequestHead, proxies: TrustedProxies): string {
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
    head.fields = fields.filter(({ name }) => name.token !== Token.X_FORWARDED_FOR);
    head.fields.push(makeField('x-forwarded-for', [...said, this.address].join(', ')));
    if (!fields.some(({ name }) => name === PROTO.name)) head.fields.push(PROTO);
    return client;
  }
}

/** `forwarded` and `x-forwarded-*`: an engine may believe the port, the prefix or the user as well. */
export const speaksOfClient = ({ name }: Field): boolean =>
  name.token === Token.X_FORWARDED_FOR || name.token === Token.FORWARDED;
