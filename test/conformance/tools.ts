/**
 * Builds into `.cache/`: h2spec and h2specd, from a source folder or from the Go module proxy; grpc-go's interop programs; and the
 * engines of the keepalive suite.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { CommandLine } from './program.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const PUBLISHED = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible';
/** The version in `go/go.mod`. */
const GRPC_GO = 'v1.85.0';

export interface Tool {
  readonly path: string;
  readonly cases: number;
}
/** `missing` says why there is no tool. */
export type Found<T = Tool> = { readonly tool: T } | { readonly missing: string };

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

/** grpc-go's interop client and server. */
export async function interop(): Promise<Found<{ readonly client: string; readonly server: string }>> {
  const bin = join(CHECKOUT, `.cache/grpc-go-${GRPC_GO}`);
  const tool = { client: join(bin, 'client'), server: join(bin, 'server') };
  if (existsSync(tool.client) && existsSync(tool.server)) return { tool };
  const packages = ['client', 'server'].map((name) => `google.golang.org/grpc/interop/${name}@${GRPC_GO}`);
  return go(['install', ...packages], CHECKOUT, { GOBIN: bin }, tool);
}

export async function goEngine(): Promise<Found<CommandLine>> {
  const path = join(CHECKOUT, '.cache/keepalive/engine');
  return go(['build', '-buildvcs=false', '-o', path, '.'], join(import.meta.dirname, 'go'), {}, [path]);
}

/** In a virtual environment; pip itself knows whether there is anything left to install. */
export async function pythonEngine(): Promise<Found<CommandLine>> {
  const folder = join(import.meta.dirname, 'python');
  const environment = join(CHECKOUT, '.cache/keepalive/python');
  const python = join(environment, 'bin/python');
  // Last of what venv makes: where it fails for want of ensurepip, there is a python already.
  if (!existsSync(join(environment, 'bin/pip'))) {
    const missing = await promisify(execFile)('python3', ['-m', 'venv', environment]).then(() => null, reasonOf);
    if (missing !== null) return { missing };
  }
  const requirements = join(folder, 'requirements.txt');
  await promisify(execFile)(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements]);
  return { tool: [python, join(folder, 'engine.py')] };
}

function reasonOf(error: unknown): string {
  const { code, stderr, stdout, message } = error as NodeJS.ErrnoException & { stderr?: string; stdout?: string };
  if (code === 'ENOENT') return 'Python is not installed';
  const said = [stderr, stdout, message].find((text) => text) ?? '';
  return `python3 has no venv: ${said.trim().split('\n')[0]}`;
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

async function go<T>(args: string[], cwd: string, env: Record<string, string>, tool: T): Promise<Found<T>> {
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
