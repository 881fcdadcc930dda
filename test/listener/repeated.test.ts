import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import type { Overrides } from '../support/gateway.ts';
import { DEFAULT_ROUTE } from '../../src/snapshot.ts';
import type { RouteSpec } from '../../src/snapshot.ts';

/** Answers with a body that says which route it was. */
const says = (name: string, match: Partial<RouteSpec['match']>): RouteSpec => ({
  ...DEFAULT_ROUTE,
  name,
  match: { ...DEFAULT_ROUTE.match, ...match },
  action: { kind: 'respond', status: 200, body: name, contentType: 'text/plain' },
});

async function client(
  t: TestContext,
  routes: RouteSpec[],
  listener: Overrides['listener'] = {},
): Promise<ClientHttp2Session> {
  const gateway = await startGateway({ endpoints: ['127.0.0.1:1'], listener, snapshot: { routes } });
  const session = connect(`http://127.0.0.1:${gateway.port}`);
  t.after(async () => {
    session.destroy();
    await gateway.close();
  });
  return session;
}
async function ask(session: ClientHttp2Session, path: string, headers: Record<string, string> = {}): Promise<string> {
  const stream = session.request({ ':path': path, ...headers });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream.end(), 'end');
  return Buffer.concat(chunks).toString();
}

test('who asks the same again and again gets its own route each time, whatever it asks in between', async (t) => {
  const routes = [
    says('one', { path: { kind: 'exact', value: '/one' } }),
    says('two', { path: { kind: 'prefix', value: '/two' } }),
    says('rest', {}),
  ];
  const session = await client(t, routes);
  for (let n = 0; n < 6; n++) {
    for (const path of ['/one', '/one', '/one', '/two', '/two/a', '/two/a', '/three']) {
      const expected = path === '/one' ? 'one' : path.startsWith('/two') ? 'two' : 'rest';
      assert.equal(await ask(session, path), expected, `${path}, round ${n}`);
    }
  }
});

test('behind a trusted proxy the same request of another client has another route', async (t) => {
  const routes = [says('inside', { clients: ['10.0.0.0/8'] }), says('outside', {})];
  const session = await client(t, routes, { trustedProxies: ['127.0.0.1/32'] });
  for (let n = 0; n < 6; n++) {
    for (const [client, route] of [
      ['10.1.2.3', 'inside'],
      ['192.0.2.1', 'outside'],
      ['10.1.2.3', 'inside'],
    ] as const) {
      assert.equal(await ask(session, '/', { 'x-forwarded-for': client }), route);
    }
  }
});
