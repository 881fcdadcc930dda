/** "Did you mean": the nearest of the known words. */

/** Edits (insert, delete, replace, swap neighbours) that turn one word into the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** The known word that `word` most likely stands for, or undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // What a peer or a file calls a key may be any length: a typing mistake is never that long.
  if (word.length > 64) return undefined;
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_ ]/g, '');
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const far = distance(plain(word), plain(candidate));
    if (far < least && far <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      least = far;
    }
  }
  return best;
}

/** What to put in a mistake's brackets: the likely word, or all of them when they are few. */
export function hint(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `did you mean ${near}?`;
  return known.length <= 12 ? `known: ${known.join(', ')}` : `see --help`;
}
