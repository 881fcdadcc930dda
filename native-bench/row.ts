import type { Peer } from './peers/peer.ts';
import type { Meter } from './processor.ts';

/** Makes about `calls` calls, all successful, with the meter running; returns how many it was. */
export type Load = (port: number, calls: number, meter: Meter) => Promise<number>;

/** What one run of the benchmark measures with. */
export interface Bench {
  readonly peers: readonly Peer[];
  readonly rounds: number;
  /** How long to measure, as a share of the full run. */
  readonly effort: number;
  /** For configuration, documents and profiles. */
  readonly folder: string;
  /** Where frameway's processor profiles go, if wanted. */
  readonly profiles?: string;
  /** Shows progress. */
  readonly tick: () => void;
}

/** The figures of one line of the table, by what was measured. */
export class Samples {
  readonly name: string;
  readonly unit: string;
  readonly figures = new Map<string, number[]>();
  /** Why there is no figure. */
  readonly failures = new Map<string, string>();

  constructor(name: string, unit: string) {
    this.name = name;
    this.unit = unit;
  }

  add(subject: string, figure: number): void {
    const figures = this.figures.get(subject);
    if (figures === undefined) this.figures.set(subject, [figure]);
    else figures.push(figure);
  }

  fail(subject: string, error: unknown): void {
    this.failures.set(subject, error instanceof Error ? error.message : String(error));
  }

  get subjects(): string[] {
    return [...new Set([...this.figures.keys(), ...this.failures.keys()])];
  }

  /** Nothing where any round failed: a proxy that loses calls has no price per call. */
  median(subject: string): number | undefined {
    const sorted = [...(this.figures.get(subject) ?? [])].sort((a, b) => a - b);
    if (sorted.length === 0 || this.failures.has(subject)) return undefined;
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  }
}

/** A figure that frameway has to reach. */
export interface Bar {
  readonly claim: string;
  readonly measured: (samples: readonly Samples[]) => number | undefined;
  readonly holds: (measured: number) => boolean;
}

export interface Row {
  readonly name: string;
  /** Whether it measures proxies, and so needs them, their backend and h2load. */
  readonly proxies: boolean;
  readonly collect: (bench: Bench) => Promise<Samples[]>;
  readonly bars: readonly Bar[];
}
