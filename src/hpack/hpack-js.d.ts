declare module 'hpack.js/lib/hpack/static-table.js' {
  export const table: readonly { readonly name: string; readonly value: string }[];
}
declare module 'hpack.js/lib/hpack/huffman.js' {
  /** `[bits, code]` of each octet, then of EOS. */
  export const encode: readonly (readonly [number, number])[];
}
