import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LineWriter } from '../../src/control/line-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'frameway-lines-'));
after(() => rmSync(folder, { recursive: true }));

test('lines arrive whole and in order', async () => {
  const file = join(folder, 'log');
  const fd = openSync(file, 'w');
  const writer = new LineWriter(fd);
  const lines = Array.from({ length: 2000 }, (_, i) => `line ${i} ${'é'.repeat(i % 100)}\n`);
  for (const [i, line] of lines.entries()) {
    writer.write(line);
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(readFileSync(file, 'utf8'), lines.join(''));
  closeSync(fd);
});

test('a flush writes at once what waits', () => {
  const file = join(folder, 'flushed');
  const fd = openSync(file, 'w');
  const writer = new LineWriter(fd);
  writer.write('a\n');
  writer.flushSync();
  assert.equal(readFileSync(file, 'utf8'), 'a\n');
});

test('what nobody takes is dropped, and does not fill the memory', () => {
  const writer = new LineWriter(openSync(join(folder, 'dropped'), 'w'));
  const line = `${'x'.repeat(1024 * 1024)}\n`;
  for (let i = 0; i < 20; i++) writer.write(line);
  assert.equal(writer.dropped, 13);
});

test('a descriptor that cannot be written is given up, and the process can end', async () => {
  const script = `import { LineWriter } from './src/control/line-writer.ts';
    const writer = new LineWriter(1);
    writer.write('first\\n');
    setTimeout(() => {
      for (let i = 0; i < 3; i++) { writer.write('x\\n'); writer.flushSync(); }
      process.exit(5);
    }, 300);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  assert.deepEqual(await once(child, 'exit'), [5, null]);
});
