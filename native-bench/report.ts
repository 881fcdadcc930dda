import { nativeRatio } from './bars.ts';
import { frameway } from './peers/frameway.ts';
import type { Row, Samples } from './row.ts';

const digits = (figure: number) => figure.toFixed(figure < 10 ? 2 : figure < 100 ? 1 : 0);

function shown(samples: Samples, subject: string): string {
  const median = samples.median(subject);
  if (median !== undefined) return digits(median);
  return samples.failures.has(subject) ? 'failed' : '-';
}

function ratio(line: Samples): string {
  const measured = nativeRatio(line);
  return measured === undefined ? '' : digits(measured);
}

/** Medians, and our share of the better native proxy's: a line for each of the samples; below, why some failed. */
export function table(lines: readonly Samples[]): string {
  const subjects = [...new Set(lines.flatMap((line) => line.subjects))];
  const cells = [
    ['', '', ...subjects, 'ratio'],
    ...lines.map((line) => [line.name, line.unit, ...subjects.map((subject) => shown(line, subject)), ratio(line)]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const text = cells.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  const failures = lines.flatMap((line) =>
    [...line.failures].map(([subject, reason]) => `${subject} failed ${line.name}: ${reason}`),
  );
  return [...text, ...new Set(failures)].join('\n');
}

export interface Verdict {
  readonly row: string;
  readonly claim: string;
  /** Nothing if frameway failed the row. */
  readonly measured: number | undefined;
  readonly pass: boolean;
}

/** Without frameway or its rivals there is nothing to say; where frameway failed, it missed. */
export function verdicts(results: ReadonlyMap<Row, readonly Samples[]>): Verdict[] {
  return [...results].flatMap(([row, samples]) => {
    const failed = samples.some((line) => line.failures.has(frameway.name));
    return row.bars.flatMap(({ claim, measured, holds }) => {
      const figure = measured(samples);
      if (figure === undefined && !failed) return [];
      return [{ row: row.name, claim, measured: figure, pass: figure !== undefined && holds(figure) }];
    });
  });
}

export function verdictText({ row, claim, measured, pass }: Verdict): string {
  const figure = measured === undefined ? 'failed' : digits(measured);
  return `${pass ? 'PASS' : 'MISS'}  ${row.padEnd(16)}  ${figure.padStart(6)}  (${claim})`;
}

export function json(lines: readonly Samples[], bars: readonly Verdict[], about: object): string {
  const figures = lines.map((line) => ({
    row: line.name,
    unit: line.unit,
    results: Object.fromEntries(
      line.subjects.map((subject) => [
        subject,
        { median: line.median(subject), samples: line.figures.get(subject) ?? [], failure: line.failures.get(subject) },
      ]),
    ),
  }));
  return JSON.stringify({ ...about, figures, bars }, undefined, 2);
}
