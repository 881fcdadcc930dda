/**
 * `npm run conformance`: every suite against the gateway; `-- --proxy nghttpx` shows how another one does; `-- --long` adds what takes
 * a quarter of an hour.
 */
import { parseArgs } from 'node:util';
import { serverSide } from './h2spec.ts';
import { clientSide } from './h2specd.ts';
import { interoperation } from './interop.ts';
import { keepalive } from './keepalive.ts';
import { proxies } from './proxies.ts';
import { tarball } from './package.ts';
import type { Suite } from './suite.ts';

const { values } = parseArgs({
  options: {
    proxy: { type: 'string', default: 'frameway' },
    suite: { type: 'string' },
    long: { type: 'boolean', default: false },
  },
});
const suites: Readonly<Record<string, Suite>> = {
  h2spec: serverSide,
  h2specd: clientSide,
  package: tarball,
  interop: interoperation,
  keepalive: keepalive(values.long),
};
const startProxy = proxies[values.proxy];
const chosen = Object.keys(suites).filter((name) => values.suite === undefined || name === values.suite);
if (!startProxy || chosen.length === 0) {
  const names = (known: object): string => Object.keys(known).join('|');
  console.error(`usage: run.ts [--proxy ${names(proxies)}] [--suite ${names(suites)}] [--long]`);
  process.exit(64);
}

let [passed, failed, skipped] = [0, 0, 0];
for (const name of chosen) {
  const result = await suites[name]!(startProxy);
  console.log(`${result.name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`);
  for (const note of result.notes) console.log(`  ${note}`);
  passed += result.passed;
  failed += result.failed;
  skipped += result.skipped;
}
console.log(`conformance: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
