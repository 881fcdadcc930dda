import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseCommandLine } from '../../src/control/commands.ts';

const folder = mkdtempSync(join(tmpdir(), 'frameway-cli-'));
after(() => rmSync(folder, { recursive: true }));

function frameway(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** The first line of what is said about a wrong command line. */
function mistake(...args: string[]): string {
  const parsed = parseCommandLine(args);
  assert.equal(parsed.kind, 'mistake');
  return parsed.message.split('\n')[0]!;
}

test('help names the commands, and each command has its own', () => {
  const { status, stdout, stderr } = frameway('--help');
  assert.deepEqual([status, stderr], [0, '']);
  for (const command of ['serve --config FILE', 'check FILE', 'proxy --from ADDRESS --to ADDRESS']) {
    assert.ok(stdout.includes(`frameway ${command}`), command);
  }
  for (const command of ['serve', 'check', 'proxy']) {
    const help = parseCommandLine([command, '-h']);
    assert.ok(help.kind === 'help' && help.text.startsWith(`frameway ${command} `));
  }
});

test('the version is that of the package', () => {
  assert.match(frameway('--version').stdout, /^frameway \d+\.\d+\.\d+\n$/);
});

test('a wrong command line exits 64 and says where help is', () => {
  const { status, stdout, stderr } = frameway('serve', '--confg', 'x');
  assert.deepEqual([status, stdout], [64, '']);
  assert.equal(stderr, 'frameway serve: unknown flag --confg (did you mean --config?)\nTry: frameway serve --help\n');
});

test('each mistake on the command line is told with what would be right', () => {
  assert.equal(mistake(), 'frameway: no command (serve, check, proxy, import)');
  assert.equal(mistake('srve'), 'frameway: unknown command srve (did you mean serve?)');
  assert.equal(mistake('--hlep'), 'frameway: unknown flag --hlep (did you mean --help?)');
  assert.equal(mistake('serve'), 'frameway serve: --config is missing (--config FILE)');
  assert.equal(mistake('serve', 'x.yaml'), 'frameway serve: --config is missing (did you mean --config x.yaml?)');
  assert.equal(mistake('serve', '--config'), 'frameway serve: --config needs a value (--config FILE)');
  assert.equal(mistake('proxy', '--to=a:1', '--to=b:1'), 'frameway proxy: --to is given twice');
  assert.equal(mistake('check'), 'frameway check: FILE is missing (frameway check FILE)');
  assert.equal(mistake('check', 'a', 'b'), 'frameway check: unexpected argument b');
  assert.equal(mistake('proxy', '--from', '--to', 'x:1'), 'frameway proxy: --from needs a value (--from ADDRESS)');
  assert.equal(mistake('proxy', '--from', ':1'), 'frameway proxy: --to is missing (--to ADDRESS)');
  assert.equal(
    mistake('proxy', '--from', ':1', '--to', 'x:1', '--access-log=yes'),
    'frameway proxy: --access-log takes no value',
  );
});

test('the last --config counts, so that a script may have one already', () => {
  const parsed = parseCommandLine(['serve', '--config', 'a.yaml', '--config', 'b.yaml']);
  assert.deepEqual(parsed, { kind: 'run', command: 'serve', flags: { config: 'b.yaml' }, operand: '' });
});

test('check says ok and what it found', () => {
  const { status, stdout, stderr } = frameway('check', 'config/gateway.yaml');
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(
    stdout,
    'config/gateway.yaml: ok\n1 listener, 1 upstream, 2 endpoints, 2 demo engines, admin on 127.0.0.1:9901\n',
  );
});

test('check counts routes where there are some', () => {
  const file = join(folder, 'routes.yaml');
  writeFileSync(
    file,
    'listeners: [{address: ":1"}]\nroutes: [{upstream: asr}]\nupstreams: {asr: {endpoints: [a:1]}}\nadmin: off\n',
  );
  assert.equal(frameway('check', file).stdout, `${file}: ok\n1 listener, 1 route, 1 upstream, 1 endpoint, admin off\n`);
});

test('check tells every mistake on standard error and exits 78', () => {
  const file = join(folder, 'bad.yaml');
  writeFileSync(file, 'listeners: []\nupstreams: {asr: {endpoints: [nowhere]}}\nadmin: of\n');
  const { status, stdout, stderr } = frameway('check', file);
  assert.deepEqual([status, stdout], [78, '']);
  const places = stderr
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .slice(file.length + 1)
        .split(': ', 2)
        .join(' '),
    );
  assert.deepEqual(places, ['1:12 listeners', '2:31 upstreams.asr.endpoints[0]', '3:8 admin']);
});

test('a missing file and wrong addresses are mistakes of the configuration', () => {
  const missing = frameway('serve', '--config', join(folder, 'none.yaml'));
  assert.equal(missing.status, 78);
  assert.equal(missing.stderr, `${join(folder, 'none.yaml')}: cannot be read: there is no such file\n`);
  const wrong = frameway('proxy', '--from', '8800', '--to', 'engine');
  assert.equal(wrong.status, 78);
  assert.match(
    wrong.stderr,
    /^--from: "8800" is not an address \(did you mean :8800\?.*\n--to: "engine" is not an endpoint/,
  );
});
