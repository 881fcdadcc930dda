/** Blocks of IP addresses, as operators write them: whom to trust, whom to let in, where a tunnel may lead. */
import { BlockList, isIP } from 'node:net';

/** An IPv4 address that a dual-stack socket shows as IPv6, as IPv4. */
export const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;

/**
 * A set of addresses, from `a.b.c.d/n`, `x::y/n` or single addresses, which the configuration has found to be well-formed. An
 * IPv4 block also covers its addresses as IPv6 maps them (RFC 4291 section 2.5.5.2).
 */
export class AddressBlocks {
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
  /** No address is in it. */
  get empty(): boolean {
    return this.list === null;
  }
  /** Whether the text is an address, and one of these. */
  has(address: string): boolean {
    const family = this.list === null ? 0 : isIP(address);
    return family !== 0 && this.list !== null && this.list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Who may, by address: who is denied may not, whatever else allows him; who has no address is allowed by an empty list alone. */
export class AddressRule {
  private readonly allow: AddressBlocks;
  private readonly deny: AddressBlocks;

  /** Nobody is denied by an empty list, and an empty one allows everybody. */
  constructor({ allow, deny }: { readonly allow: readonly string[]; readonly deny: readonly string[] }) {
    this.allow = new AddressBlocks(allow);
    this.deny = new AddressBlocks(deny);
  }
  admits(address: string): boolean {
    return !this.deny.has(address) && (this.allow.empty || this.allow.has(address));
  }
}
