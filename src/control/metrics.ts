/** The counters in Prometheus's text format 0.0.4. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Counters, Metric } from '../counters.ts';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string>>;

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"');

function format(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${format(value)}\n`;
}

/** A metric's name, help and type once, then its lines from every scope that has it. */
class Families {
  private readonly families = new Map<string, { head: string; lines: string[] }>();

  lines(name: string, help: string, type: Metric['type']): string[] {
    let family = this.families.get(name);
    if (family === undefined) {
      family = { head: `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`, lines: [] };
      this.families.set(name, family);
    }
    return family.lines;
  }

  render(): string {
    return [...this.families.values()].map(({ head, lines }) => head + lines.join('')).join('');
  }
}

function histogram(lines: string[], metric: Metric, { labels, slots }: Counters): void {
  const bounds = [...(metric.bounds ?? []), Infinity];
  let count = 0;
  for (const [i, bound] of bounds.entries()) {
    count += slots[metric.slot + i]!;
    lines.push(line(`${metric.name}_bucket`, { ...labels, le: format(bound) }, count));
  }
  lines.push(line(`${metric.name}_sum`, labels, slots[metric.slot + bounds.length]!));
  lines.push(line(`${metric.name}_count`, labels, count));
}

function scope(families: Families, counters: Counters): void {
  const { layout, labels, slots } = counters;
  for (const metric of layout.metrics) {
    const { name, slot, label, values } = metric;
    const lines = families.lines(name, metric.help, metric.type);
    if (metric.type === 'histogram') histogram(lines, metric, counters);
    else if (label === undefined) lines.push(line(name, labels, slots[slot]!));
    else
      for (const [i, value] of (values ?? []).entries())
        lines.push(line(name, { ...labels, [label]: value }, slots[slot + i]!));
  }
}

/** What the process itself is doing; seconds and bytes. */
export interface ProcessSample {
  readonly version: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Since the epoch. */
  readonly startSeconds: number;
  readonly activeSeconds: number;
  readonly lagSeconds: number;
}

/** Takes a turn of the event loop, as that is how its lag is measured: nothing is paid between scrapes. */
export async function sampleProcess(version: string): Promise<ProcessSample> {
  const asked = performance.now();
  await turn();
  const lag = performance.now() - asked;
  const { user, system } = process.cpuUsage();
  return {
    version,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    startSeconds: performance.timeOrigin / 1000,
    activeSeconds: performance.eventLoopUtilization().active / 1000,
    lagSeconds: lag / 1000,
  };
}

/** The whole exposition: each scope's counters, then the process. */
export function renderMetrics(counters: readonly Counters[], sample: ProcessSample): string {
  const families = new Families();
  for (const each of counters) scope(families, each);
  const one = (name: string, type: Metric['type'], help: string, value: number, labels: Labels = {}) =>
    families.lines(name, help, type).push(line(name, labels, value));
  one('process_cpu_seconds_total', 'counter', 'Processor time, user and system', sample.cpuSeconds);
  one('process_resident_memory_bytes', 'gauge', 'Resident memory', sample.residentBytes);
  one('process_start_time_seconds', 'gauge', 'Start of the process since the epoch', sample.startSeconds);
  one('nodejs_eventloop_active_seconds_total', 'counter', 'Time the event loop did not wait', sample.activeSeconds);
  one('nodejs_eventloop_lag_seconds', 'gauge', 'Wait for the next turn, at this scrape', sample.lagSeconds);
  one('frameway_build_info', 'gauge', 'Always 1', 1, { version: sample.version });
  return families.render();
}
