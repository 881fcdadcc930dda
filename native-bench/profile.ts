import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const resting = new Set(['(idle)', '(root)']);

/** The functions with most self time over all profiles in the folder, as lines of text. */
export function hottest(folder: string, count = 20): string[] {
  const self = new Map<string, number>();
  let total = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    samples.forEach((id, index) => {
      const { functionName, url, lineNumber } = frames.get(id)!;
      if (resting.has(functionName)) return;
      const place = url === '' ? '' : ` ${url.replace(`file://${process.cwd()}/`, '')}:${lineNumber + 1}`;
      const name = `${functionName || '(anonymous)'}${place}`;
      self.set(name, (self.get(name) ?? 0) + timeDeltas[index]!);
      total += timeDeltas[index]!;
    });
  }
  return [...self]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => `${((100 * time) / total).toFixed(1).padStart(5)} %  ${name}`);
}
