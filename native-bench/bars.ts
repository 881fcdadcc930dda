import { frameway } from './peers/frameway.ts';
import { haproxy } from './peers/haproxy.ts';
import { nginx } from './peers/nginx.ts';
import { nghttpx } from './peers/nghttpx.ts';
import type { Bar, Samples } from './row.ts';

const natives = [nghttpx, haproxy, nginx];

/** Our cost as a share of the cheapest of nghttpx, HAProxy and nginx. */
export function nativeRatio(line: Samples | undefined): number | undefined {
  const others = natives.map((peer) => line?.median(peer.name)).filter((median) => median !== undefined);
  const ours = line?.median(frameway.name);
  return ours === undefined || others.length === 0 ? undefined : ours / Math.min(...others);
}

export function ofNative(limit: number): Bar {
  return {
    claim: `<= ${limit} of the cheapest native proxy`,
    measured: ([line]) => nativeRatio(line),
    holds: (ratio) => ratio <= limit,
  };
}

/** How many times the other takes what we take. */
export function timesBelow(other: string, times: number): Bar {
  return {
    claim: `>= ${times} times below ${other}`,
    measured: ([line]) => {
      const [ours, theirs] = [line?.median(frameway.name), line?.median(other)];
      return ours === undefined || theirs === undefined ? undefined : theirs / ours;
    },
    holds: (ratio) => ratio >= times,
  };
}

/** What we take as a share of what the other takes. */
export function ofOther(other: string, limit: number): Bar {
  return {
    claim: `<= ${limit} of ${other}`,
    measured: ([line]) => {
      const [ours, theirs] = [line?.median(frameway.name), line?.median(other)];
      return ours === undefined || theirs === undefined ? undefined : ours / theirs;
    },
    holds: (ratio) => ratio <= limit,
  };
}

export function atMost(limit: number, unit: string): Bar {
  return {
    claim: `<= ${limit} ${unit}`,
    measured: ([line]) => line?.median(frameway.name),
    holds: (figure) => figure <= limit,
  };
}
