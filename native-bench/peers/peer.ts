import { which } from '../child.ts';

export interface Place {
  readonly listen: number;
  readonly backend: number;
  /** A folder for configuration files. */
  readonly folder: string;
  /** Where a Node proxy leaves its processor profile, if one is wanted. */
  readonly profile?: string;
}

/** A proxy to be measured: plain-text h2 on `listen`, plain-text h2 to `backend`, both on 127.0.0.1. */
export interface Peer {
  readonly name: string;
  /** What to install, if it is not there. */
  missing(): string | undefined;
  command(place: Place): readonly string[];
}

export function missingProgram(program: string, advice: string): string | undefined {
  return which(program) === undefined ? `${program} not found: ${advice}` : undefined;
}
