/** Builds h2spec and h2specd into `.cache/`, from a source folder or from the Go module proxy. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const PUBLISHED = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible';

export interface Tool {
  readonly path: string;
  readonly cases: number;
}
/** `missing` says why there is no tool. */
export type Found = { readonly tool: Tool } | { readonly missing: string };

export async function h2spec(): Promise<Found> {
  const source = sourceFolder();
  if (source) return build(source, 'h2spec', 147);
  const bin = join(CHECKOUT, '.cache/h2spec-2.2.1');
  const tool = { path: join(bin, 'h2spec'), cases: 146 };
  if (existsSync(tool.path)) return { tool };
  return go(['install', PUBLISHED], CHECKOUT, { GOBIN: bin }, tool);
}

export async function h2specd(): Promise<Found> {
  const source = sourceFolder();
  if (source) return build(source, 'h2specd', 57);
  return { missing: 'h2specd is in no published version: set H2SPEC_SOURCE to a folder with the source of h2spec' };
}

function sourceFolder(): string | null {
  const named = process.env['H2SPEC_SOURCE'];
  if (named) return resolve(named);
  const beside = resolve(CHECKOUT, '../shared/tools/h2spec');
  return existsSync(join(beside, 'go.mod')) ? beside : null;
}

/** Every time: Go's own cache knows better than we whether the source has changed. */
async function build(source: string, name: string, cases: number): Promise<Found> {
  const folder = join(CHECKOUT, '.cache/h2spec');
  await mkdir(folder, { recursive: true });
  const tool = { path: join(folder, name), cases };
  return go(['build', '-buildvcs=false', '-o', tool.path, `./cmd/${name}`], source, {}, tool);
}

async function go(args: string[], cwd: string, env: Record<string, string>, tool: Tool): Promise<Found> {
  try {
    await promisify(execFile)('go', args, { cwd, env: { ...process.env, ...env } });
    return { tool };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { missing: 'Go is not installed' };
    throw error;
  }
}

/** What a tool prints, whatever its exit code. */
export function output(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(text.replaceAll('\0', '.')));
  });
}

/** What h2spec and h2specd say in the end: how many passed, and each failure with what was expected. */
export function readReport(text: string): { passed: number; failures: string[] } {
  const passed = /^\d+ tests, (\d+) passed/m.exec(text)?.[1];
  const failures = /^Failures:\s*\n([^]*?)^Finished in/m.exec(text)?.[1]?.trimEnd().split('\n');
  if (passed !== undefined) return { passed: Number(passed), failures: failures ?? [] };
  // It gave up half-way: its last lines say where.
  return { passed: text.match(/✔/g)?.length ?? 0, failures: ['gave up:', ...text.trimEnd().split('\n').slice(-12)] };
}
