/** Huffman code of RFC 7541 appendix B, decoded a byte at a time by a table made from hpack.js's data. */
import huffman from 'hpack.js/lib/hpack/huffman.js';

const EOS = 256;
const FAIL = 0x80000000;
/** The bits read so far are a prefix of EOS, fewer than eight: legal padding (section 5.2). */
const ACCEPT = 0x40000000;

interface Node {
  readonly next: (Node | undefined)[];
  symbol: number;
  index: number;
  padding: boolean;
}

const node = (): Node => ({ next: [], symbol: -1, index: -1, padding: false });

function buildTree(): { root: Node; inner: Node[] } {
  const root = node();
  const inner = [root];
  root.index = 0;
  huffman.encode.forEach(([bits, code], symbol) => {
    let at = root;
    for (let bit = bits - 1; bit >= 0; bit--) {
      const branch = (code >>> bit) & 1;
      let child = at.next[branch];
      if (child === undefined) {
        child = node();
        at.next[branch] = child;
        if (bit > 0) {
          child.index = inner.length;
          inner.push(child);
        }
      }
      at = child;
    }
    at.symbol = symbol;
  });
  let at = root;
  for (let depth = 0; depth < 8; depth++) {
    at.padding = depth < 8;
    at = at.next[1] ?? root;
  }
  return { root, inner };
}

/**
 * For each inner node of the code tree (256 of them) and each octet: the next node in bits 0-7, up to two symbols in
 * bits 8-15 and 16-23 (the shortest code has five bits), their number in bits 24-25, and the flags above.
 */
function buildTable(): Int32Array {
  const { root, inner } = buildTree();
  const table = new Int32Array(inner.length * 256);
  inner.forEach((start, state) => {
    for (let octet = 0; octet < 256; octet++) {
      let at = start;
      let symbols = 0;
      let count = 0;
      let failed = false;
      for (let bit = 7; bit >= 0 && !failed; bit--) {
        const child = at.next[(octet >>> bit) & 1];
        if (child === undefined || child.symbol === EOS) failed = true;
        else if (child.symbol >= 0) {
          symbols |= child.symbol << (8 + 8 * count++);
          at = root;
        } else at = child;
      }
      table[(state << 8) | octet] = failed ? FAIL : at.index | symbols | (count << 24) | (at.padding ? ACCEPT : 0);
    }
  });
  return table;
}

const TABLE = buildTable();

/**
 * Decodes `from[start, end)` into `to` and returns the number of octets, or -1 if the coding is not legal. `to` must
 * hold 8/5 of the input.
 */
export function huffmanDecode(from: Uint8Array, start: number, end: number, to: Uint8Array): number {
  let state = 0;
  let length = 0;
  let entry = ACCEPT;
  for (let i = start; i < end; i++) {
    entry = TABLE[(state << 8) | from[i]!]!;
    if (entry < 0) return -1;
    state = entry & 0xff;
    const count = (entry >>> 24) & 3;
    if (count !== 0) {
      to[length++] = entry >>> 8;
      if (count === 2) to[length++] = entry >>> 16;
    }
  }
  return (entry & ACCEPT) === 0 ? -1 : length;
}
