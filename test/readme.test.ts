import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  endpointLayout,
  LIMITS,
  listenerLayout,
  sessionLayout,
  tenantLayout,
  upstreamLayout,
} from '../src/counters.ts';
import { Failures } from '../src/errors.ts';
import { configReference } from '../src/control/config.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test('the README lists every metric', () => {
  for (const { metrics } of [listenerLayout, endpointLayout, sessionLayout, tenantLayout, upstreamLayout]) {
    for (const { name, help } of metrics) {
      const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
      assert.ok(row?.includes(`| ${help} |`), `${name}: ${help}`);
    }
  }
});

test('the README lists every configuration key with its default', () => {
  const keys = configReference();
  assert.ok(keys.length > 30, 'the reference is not empty');
  for (const { key, fallback } of keys) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${key}\` |`));
    assert.ok(row !== undefined, `${key} is missing`);
    assert.ok(
      fallback === '' || row.includes(fallback),
      `${key}: the default is ${fallback}, but the README says ${row}`,
    );
  }
});

test('the README explains every cause of a failure that can come about', () => {
  for (const { cause } of Object.values(Failures)) {
    assert.ok(readme.includes(`\`${cause}\``), cause);
  }
});

test('the README speaks of every limit that is counted', () => {
  for (const limit of LIMITS) assert.ok(readme.includes(`\`${limit}\``), limit);
});
