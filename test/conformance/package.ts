/** The tarball that `npm pack` makes, installed in an empty folder: what a user gets has to work there. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Suite } from './suite.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

const CONFIG = `listeners: [{ address: '127.0.0.1:0', upstream: demo }]
upstreams: { demo: { endpoints: ['127.0.0.1:1'] } }
admin: off
`;

type Case = readonly [what: string, check: (folder: string) => Promise<void>];

async function prints(folder: string, args: readonly string[], expected: RegExp): Promise<void> {
  const { stdout } = await run('npx', ['frameway', ...args], { cwd: folder });
  if (!expected.test(stdout)) throw new Error(`frameway ${args.join(' ')} printed: ${stdout}`);
}

/** Starts `frameway serve`, waits for its listener, and expects that SIGTERM ends it with 0. */
async function serves(folder: string): Promise<void> {
  const command = join(folder, 'node_modules/.bin/frameway');
  const child = spawn(command, ['serve', '--config', 'gateway.yaml'], { cwd: folder });
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.includes('listening on')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`frameway serve ended with ${code}`)));
      setTimeout(() => reject(new Error('frameway serve does not listen')), 10_000).unref();
    });
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const code = await exit;
    if (code !== 0) throw new Error(`SIGTERM ended frameway serve with ${String(code)}`);
  } finally {
    child.kill('SIGKILL');
  }
}

const TYPES = `import { createGateway, type Snapshot, type Journal } from 'frameway';
export const start = (snapshot: Snapshot, journal: Journal) => createGateway(snapshot, journal).start();
`;

const cases: readonly Case[] = [
  ['--version', (folder) => prints(folder, ['--version'], /^(frameway )?\d+\.\d+\.\d+\s*$/)],
  ['--help', (folder) => prints(folder, ['--help'], /serve/)],
  ['check', (folder) => prints(folder, ['check', 'gateway.yaml'], /gateway\.yaml: ok/)],
  ['serve', serves],
  [
    'types of the export',
    async (folder) => {
      await writeFile(join(folder, 'embed.mts'), TYPES);
      const tsc = join(CHECKOUT, 'node_modules/typescript/bin/tsc');
      const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--typeRoots'];
      await run('node', [tsc, ...flags, join(CHECKOUT, 'node_modules/@types'), '--types', 'node', 'embed.mts'], {
        cwd: folder,
      });
    },
  ],
];

export const tarball: Suite = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'frameway-package-'));
  const notes: string[] = [];
  try {
    await run('npm', ['pack', '--pack-destination', folder], { cwd: CHECKOUT });
    const name = (await readdir(folder)).find((entry) => entry.endsWith('.tgz'));
    if (name === undefined) throw new Error('npm pack made no tarball');
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    await writeFile(join(folder, 'gateway.yaml'), CONFIG);
    await run('npm', ['install', '--no-audit', '--no-fund', `./${name}`], { cwd: folder });
    for (const [what, check] of cases) {
      await check(folder).catch((error: unknown) => notes.push(`${what}: ${String(error)}`));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { name: 'package', passed: cases.length - notes.length, failed: notes.length, skipped: 0, notes };
};
