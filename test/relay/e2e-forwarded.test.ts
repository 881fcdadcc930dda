import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { call, engineWith, grpcRequest, stage } from '../edge/stage.ts';
import { arrived } from '../edge/requests.ts';
import type { Field } from '../support/frames.ts';

/** What an engine reads of `sent`, of those names. */
async function seen(t: TestContext, trustedProxies: readonly string[], sent: readonly Field[]) {
  const engine = await engineWith(t);
  const { gateway, client } = await stage(t, engine, { listener: { trustedProxies } });
  const peer = await client();
  await call(peer, grpcRequest('/x', ...sent), 'x');
  const { headers } = await arrived(await engine.session(), '/x');
  const about = headers!.filter(([name]) => name === 'forwarded' || name.startsWith('x-forwarded-') || name === 'te');
  return { fields: about.map(([name, value]) => `${name}: ${value}`).sort(), logged: gateway.exchanges[0]!.peer };
}

const SPOOFED: readonly Field[] = [
  ['x-forwarded-for', '203.0.113.7'],
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-host', 'bank.example'],
  ['x-forwarded-port', '443'],
  ['forwarded', 'for=203.0.113.7'],
  ['x-forwarded-for', '198.51.100.1'],
];

test('an engine is told who the client is', async (t) => {
  const { fields, logged } = await seen(t, [], []);
  assert.deepEqual(fields, ['te: trailers', 'x-forwarded-for: 127.0.0.1', 'x-forwarded-proto: http']);
  assert.equal(logged, '127.0.0.1');
});

test('what a stranger says of itself is replaced', async (t) => {
  const { fields, logged } = await seen(t, ['10.0.0.0/8'], SPOOFED);
  assert.deepEqual(fields, ['te: trailers', 'x-forwarded-for: 127.0.0.1', 'x-forwarded-proto: http']);
  assert.equal(logged, '127.0.0.1');
});

test('what a trusted proxy says is believed, and the proxy is added', async (t) => {
  const { fields, logged } = await seen(t, ['127.0.0.0/8'], SPOOFED);
  assert.ok(fields.includes('x-forwarded-for: 203.0.113.7, 198.51.100.1, 127.0.0.1'), fields.join('; '));
  assert.ok(fields.includes('x-forwarded-proto: https'), fields.join('; '));
  assert.equal(logged, '198.51.100.1');
});

test('behind several trusted proxies the client is the first stranger from the right', async (t) => {
  const chain: Field = ['x-forwarded-for', '192.0.2.1, 203.0.113.7, 10.1.2.3'];
  const { fields, logged } = await seen(t, ['127.0.0.1', '10.0.0.0/8'], [chain]);
  assert.ok(fields.includes(`x-forwarded-for: ${chain[1]}, 127.0.0.1`), fields.join('; '));
  assert.ok(fields.includes('x-forwarded-proto: http'), fields.join('; '));
  assert.equal(logged, '203.0.113.7');
});
