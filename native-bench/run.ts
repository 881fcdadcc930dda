import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { which } from './child.ts';
import { frameway } from './peers/frameway.ts';
import { peers } from './peers/index.ts';
import type { Peer } from './peers/peer.ts';
import { hottest } from './profile.ts';
import { json, table, verdictText, verdicts } from './report.ts';
import type { Bench, Row, Samples } from './row.ts';
import { rows } from './rows.ts';

const usage = `npm run bench -- [options]
  --rounds N      interleaved rounds, of which the medians are shown (5)
  --rows A,B      only these: ${rows.map(({ name }) => name).join(', ')}
  --only A,B      only these proxies: ${peers.map(({ name }) => name).join(', ')}
  --quick         2 short rounds, about 3 minutes, for CI
  --cpu-prof      only frameway, under the profiler: its figures are then too high; prints where the time went
  --no-build      measure dist as it is
  --json FILE     every sample, machine-readable`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string' },
    rows: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'cpu-prof': { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function chosen<T extends { readonly name: string }>(all: readonly T[], list: string | undefined): readonly T[] {
  if (list === undefined) return all;
  return list.split(',').map((name) => all.find((one) => one.name === name) ?? fail(`no "${name}"\n\n${usage}`));
}

if (flags.help) {
  console.log(usage);
  process.exit(0);
}

const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5));
if (!Number.isInteger(rounds) || rounds < 1) fail(usage);
const wantedPeers = chosen(peers, flags['cpu-prof'] ? 'frameway' : flags.only);
let wantedRows = chosen(rows, flags.rows);

if (which('nghttpd') === undefined || which('h2load') === undefined) {
  console.error('only the codecs: nghttpd and h2load not found, Debian packages nghttp2-server and nghttp2-client');
  wantedRows = wantedRows.filter((row) => !row.proxies);
}

const present: Peer[] = [];
if (wantedRows.some((row) => row.proxies)) {
  if (!flags['no-build'] && wantedPeers.includes(frameway)) {
    try {
      execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
    } catch {
      fail('the build failed; --no-build measures dist as it is, --only leaves frameway out');
    }
  }
  for (const peer of wantedPeers) {
    const missing = peer.missing();
    if (missing === undefined) present.push(peer);
    else console.error(`without ${peer.name}: ${missing}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'frameway-bench-'));
const bench: Bench = {
  peers: present,
  rounds,
  effort: flags.quick ? 0.3 : 1,
  folder,
  tick: () => process.stderr.write('.'),
  ...(flags['cpu-prof'] ? { profiles: join(folder, 'profiles') } : {}),
};

if (bench.profiles !== undefined) mkdirSync(bench.profiles);
const results = new Map<Row, Samples[]>();
for (const row of wantedRows) {
  process.stderr.write(`${row.name} `);
  results.set(row, await row.collect(bench));
  process.stderr.write('\n');
}

const lines = [...results.values()].flat();
const bars = verdicts(results);
console.log(`\nmedians of ${rounds} rounds, Node ${process.version}, ${cpus().length} processors\n`);
const tables = [true, false].map((proxies) => [...results].filter(([row]) => row.proxies === proxies));
console.log(
  tables
    .filter((group) => group.length > 0)
    .map((group) => table(group.flatMap(([, samples]) => samples)))
    .join('\n\n'),
);
if (bars.length > 0) console.log(`\n${bars.map(verdictText).join('\n')}`);
if (bench.profiles !== undefined) {
  for (const row of readdirSync(bench.profiles)) {
    console.log(`\n${row}, self time\n${hottest(join(bench.profiles, row)).join('\n')}`);
  }
  console.log(`\nprofiles are in ${bench.profiles}`);
} else rmSync(folder, { recursive: true });
if (flags.json !== undefined) {
  const about = { at: new Date().toISOString(), node: process.version, processor: cpus()[0]?.model, rounds };
  writeFileSync(flags.json, `${json(lines, bars, about)}\n`);
}
process.exit(lines.some((line) => line.failures.has('frameway')) ? 1 : 0);
