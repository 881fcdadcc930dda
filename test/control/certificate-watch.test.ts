import assert from 'node:assert/strict';
import {
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  mkdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { CertificateWatch } from '../../src/control/certificate-watch.ts';
import { sleep, until } from '../io/wire.ts';

const INTERVAL = 5;
/** Some looks. */
const WHILE = 60;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'frameway-watch-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A watch that works, and all that it said: texts joined, and messages. */
function watch(
  t: TestContext,
  files: readonly string[],
  take: (text: string) => void = () => undefined,
): { watch: CertificateWatch; changes: string[]; errors: string[] } {
  const changes: string[] = [];
  const errors: string[] = [];
  const onChange = (texts: ReadonlyMap<string, string>): void => {
    assert.deepEqual([...texts.keys()], files);
    const text = [...texts.values()].join('|');
    take(text);
    changes.push(text);
  };
  const made = new CertificateWatch(files, onChange, ({ message }) => errors.push(message), INTERVAL);
  t.after(() => made.stop());
  made.start();
  return { watch: made, changes, errors };
}

function pair(path: string, text = 'one'): [string, string] {
  const files: [string, string] = [join(path, 'tls.crt'), join(path, 'tls.key')];
  for (const file of files) writeFileSync(file, text);
  return files;
}

test('what the files hold is told at the start, each change once, and no change never', async (t) => {
  const [certificate, key] = pair(folder(t));
  const { changes, errors } = watch(t, [certificate, key]);
  await until(() => changes.length > 0);
  await sleep(WHILE);
  assert.deepEqual(changes, ['one|one']);
  writeFileSync(key, 'two');
  await until(() => changes.length > 1);
  writeFileSync(certificate, 'two');
  await until(() => changes.length > 2);
  // Touched, and written as it was.
  utimesSync(key, new Date(), new Date());
  writeFileSync(certificate, 'two');
  await sleep(WHILE);
  assert.deepEqual([changes, errors], [['one|one', 'one|two', 'two|two'], []]);
});

test('a change of the same size and the same time of writing is seen', async (t) => {
  const [certificate, key] = pair(folder(t));
  const then = new Date(2026, 0, 1);
  utimesSync(key, then, then);
  const { changes } = watch(t, [certificate, key]);
  await until(() => changes.length > 0);
  await sleep(WHILE);
  writeFileSync(key, 'eno');
  utimesSync(key, then, then);
  await until(() => changes.length > 1);
  assert.equal(changes.at(-1), 'one|eno');
});

test('links that are swapped as Kubernetes does it count', async (t) => {
  const path = folder(t);
  const version = (name: string): void => {
    mkdirSync(join(path, name));
    pair(join(path, name), name);
    symlinkSync(name, join(path, '..tmp'));
    renameSync(join(path, '..tmp'), join(path, '..data'));
  };
  version('v1');
  const files = ['tls.crt', 'tls.key'].map((name) => join(path, name));
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(path, name));
  const { changes, errors } = watch(t, files);
  await until(() => changes.length > 0);
  version('v2');
  rmSync(join(path, 'v1'), { recursive: true });
  await until(() => changes.at(-1) === 'v2|v2');
  assert.deepEqual(errors, []);
});

test('half of a pair is offered again until the other half is there, and complained of once', async (t) => {
  const [certificate, key] = pair(folder(t));
  let offers = 0;
  const { changes, errors } = watch(t, [certificate, key], (text) => {
    const [one, other] = text.split('|');
    offers++;
    if (one !== other) throw new Error(`${one} is not ${other}`);
  });
  await until(() => changes.length > 0);
  for (const text of ['two', 'three']) {
    offers = 0;
    writeFileSync(certificate, text);
    await until(() => offers > 5);
    writeFileSync(key, text);
    await until(() => changes.at(-1) === `${text}|${text}`);
  }
  assert.deepEqual(
    [changes, errors],
    [
      ['one|one', 'two|two', 'three|three'],
      ['two is not one', 'three is not two'],
    ],
  );
});

test('a file that is missing for a while is complained of once, and taken when it is back', async (t) => {
  const [certificate, key] = pair(folder(t));
  const { changes, errors } = watch(t, [certificate, key]);
  await until(() => changes.length > 0);
  for (const text of ['two', 'one']) {
    const { length } = errors;
    unlinkSync(key);
    await until(() => errors.length > length);
    await sleep(WHILE);
    assert.match(errors.at(-1)!, /ENOENT.*tls\.key/);
    assert.equal(errors.length, length + 1);
    writeFileSync(key, text);
    await until(() => changes.at(-1) === `one|${text}`);
  }
});

test('a watch that was stopped says nothing more, not even of the look that is under way', async (t) => {
  const [certificate, key] = pair(folder(t));
  const { watch: stopped, changes, errors } = watch(t, [certificate, key]);
  stopped.stop();
  await sleep(WHILE);
  assert.deepEqual([changes, errors], [[], []]);
  stopped.start();
  stopped.stop();
  stopped.start();
  stopped.start();
  await until(() => changes.length > 0);
  writeFileSync(key, 'two');
  await until(() => changes.length > 1);
  await sleep(WHILE);
  stopped.stop();
  writeFileSync(key, 'three');
  unlinkSync(certificate);
  await sleep(WHILE);
  assert.deepEqual([changes, errors], [['one|one', 'one|two'], []]);
});
