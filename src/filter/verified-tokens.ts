/**
 * Tokens that have been verified, until they expire: a signature costs a hundred times what finding it here does.
 *
 * They are found by the hash that a header field has anyway, then compared in full. A cryptographic hash would cost
 * more than a microsecond a call; it would keep no secret either, for the process holds the tokens in flight and HS256's
 * keys. Nor does time tell one: only who meets the hash of a token reaches its comparison, a hash covers the
 * signature, and what is found equal was in the caller's hands. Only verified tokens enter, so strangers cannot fill it.
 *
 * Two generations take the place of exact order of use: what is asked for moves to the young one; when that is full, the
 * old one is dropped whole.
 */

/** Characters of tokens kept, for each of the tokens that may be: an average, for tokens may be four times as long. */
const TOKEN_SIZE = 2048;

interface Entry<T> {
  readonly text: string;
  readonly value: T;
}

export class VerifiedTokens<T extends { readonly expiresAt: number }> {
  private readonly mostTokens: number;
  private readonly mostText: number;
  private young = new Map<number, Entry<T>>();
  private old = new Map<number, Entry<T>>();
  /** Characters in the young generation. */
  private text = 0;

  /** @param most tokens to keep; below two, none is */
  constructor(most: number) {
    this.mostTokens = Math.floor(most / 2);
    this.mostText = this.mostTokens * TOKEN_SIZE;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** What was kept under this text, whose hash this is, unless it has expired at `now`. */
  find(hash: number, text: string, now: number): T | undefined {
    const young = this.young.get(hash);
    const entry = young ?? this.old.get(hash);
    if (entry?.text !== text) return undefined;
    if (now >= entry.value.expiresAt) {
      this.remove(hash);
      return undefined;
    }
    if (young === undefined) this.add(hash, entry);
    return entry.value;
  }

  keep(hash: number, text: string, value: T): void {
    if (this.mostTokens > 0 && text.length <= this.mostText) this.add(hash, { text, value });
  }

  clear(): void {
    this.young = new Map();
    this.old = new Map();
    this.text = 0;
  }

  private add(hash: number, entry: Entry<T>): void {
    this.remove(hash);
    if (this.young.size >= this.mostTokens || this.text + entry.text.length > this.mostText) {
      this.old = this.young;
      this.young = new Map();
      this.text = 0;
    }
    this.young.set(hash, entry);
    this.text += entry.text.length;
  }

  private remove(hash: number): void {
    this.text -= this.young.get(hash)?.text.length ?? 0;
    this.young.delete(hash);
    this.old.delete(hash);
  }
}
