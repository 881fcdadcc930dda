/** Who may call, by each protocol, and what engines, clients and logs learn of it. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type { AuthSpec } from '../../src/policy.ts';
import { ALGORITHMS, authSpec, jwtSpec, sha256, token } from '../filter/stage.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { h2Engine } from '../protocols/engines.ts';
import { ensemble, type Ensemble } from './ensemble.ts';
import { grpcWeb, rpc, websocket, type Headers } from './peers.ts';
import { stage, type Way } from './stage.ts';

const soon = Math.floor(Date.now() / 1000) + 300;
const claims = { sub: 'alice', exp: soon, tenant: 'acme', scope: 'read write' };
const API_KEY = 'an-api-key-of-bob';

const AUTH: AuthSpec = authSpec({
  jwt: jwtSpec({ claims: [{ claim: 'tenant', header: 'x-tenant' }] }),
  apiKeys: [{ name: 'bob', sha256: sha256(API_KEY) }],
  identityHeader: 'x-identity',
});
const bearer = (of: unknown = claims, algorithm: 'HS256' | 'RS256' | 'ES256' = 'HS256'): Headers => ({
  authorization: `Bearer ${token(algorithm, of)}`,
});

const guarded = (t: TestContext, way: Way = {}): Promise<Ensemble> =>
  ensemble(t, { auth: 'main', ...way }, { auth: { main: AUTH } });

interface Outcome {
  /** HTTP status, or that of gRPC. */
  readonly status: number;
  readonly challenge: unknown;
  /** What the engine was told, in lower case; null if it was not asked. */
  readonly told: Readonly<Record<string, unknown>> | null;
}
type Client = (t: TestContext, staged: Ensemble, headers: Headers) => Promise<Outcome>;

const CLIENTS: Readonly<Record<string, Client>> = {
  'HTTP/1.1': async (_, { port, web }, headers) => {
    const before = web.seen.length;
    const { status, headers: said } = await http1(port, { headers });
    return { status, challenge: said['www-authenticate'], told: web.seen[before]?.headers ?? null };
  },
  'HTTP/2': async (t, { port, web }, headers) => {
    const before = web.seen.length;
    const { status, headers: said } = await h2call(await http2(t, port), { headers, body: 'x' });
    return { status, challenge: said['www-authenticate'], told: web.seen[before]?.headers ?? null };
  },
  WebSocket: async (t, { port, ws }, headers) => {
    const before = ws.requests.length;
    const answer = await websocket(t, port, headers);
    const told = ws.requests[before]?.headers ?? null;
    if ('terminate' in answer) {
      answer.terminate();
      return { status: 200, challenge: undefined, told };
    }
    return { status: answer.status, challenge: answer.headers['www-authenticate'], told };
  },
  gRPC: async (t, { port, calls }, headers) => {
    const before = calls.length;
    const { status } = await rpc(t, port, headers);
    return { status: status.code, challenge: undefined, told: calls[before]?.getMap() ?? null };
  },
  'gRPC-Web': async (_, { port, calls }, headers) => {
    const before = calls.length;
    const { fields } = await grpcWeb(port, headers);
    return { status: Number(fields['grpc-status']), challenge: undefined, told: calls[before]?.getMap() ?? null };
  },
};

for (const [name, ask] of Object.entries(CLIENTS)) {
  const [ok, unauthenticated, forbidden] = name.startsWith('gRPC') ? [0, 16, 7] : [200, 401, 403];
  const challenge = name.startsWith('gRPC') ? undefined : /^Bearer/;

  describe(`over ${name}`, () => {
    test('tokens of each algorithm and API keys tell the engine who calls, whatever the client says', async (t) => {
      const staged = await guarded(t);
      const lies = { 'x-identity': 'root', x_identity: 'root', 'x-tenant': 'evil', 'X-Tenant': 'evil' };
      for (const algorithm of ALGORITHMS) {
        const { status, told } = await ask(t, staged, { ...lies, ...bearer(claims, algorithm) });
        assert.equal(status, ok, algorithm);
        assert.deepEqual(
          [told?.['x-identity'], told?.['x-tenant'], told?.['x_identity']],
          ['alice', 'acme', undefined],
        );
      }
      const { status, told } = await ask(t, staged, { ...lies, 'x-api-key': API_KEY });
      assert.equal(status, ok);
      assert.deepEqual([told?.['x-identity'], told?.['x-tenant'], told?.['x-api-key']], ['bob', undefined, undefined]);
      await staged.line(3);
      assert.deepEqual(
        staged.exchanges.map(({ identity }) => identity),
        ['alice', 'alice', 'alice', 'bob'],
      );
    });

    test('what proves nothing is refused, with a challenge, and no engine hears of it', async (t) => {
      const staged = await guarded(t);
      const [head, payload, signature] = token('RS256', claims).split('.') as [string, string, string];
      const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
      const proofs: Record<string, Headers> = {
        nothing: {},
        'no such key': { 'x-api-key': 'nobody' },
        expired: bearer({ ...claims, exp: soon - 400 }),
        'not yet valid': bearer({ ...claims, nbf: soon }),
        'no signature': { authorization: `Bearer ${head}.${payload}.` },
        'another signature': { authorization: `Bearer ${head}.${payload}.${signature.slice(4)}AAAA` },
        'alg none': { authorization: `Bearer ${none}` },
        basic: { authorization: 'Basic YTpi' },
      };
      for (const [what, headers] of Object.entries(proofs)) {
        const outcome = await ask(t, staged, headers);
        assert.deepEqual([outcome.status, outcome.told], [unauthenticated, null], what);
        if (challenge !== undefined) assert.match(String(outcome.challenge), challenge, what);
      }
      const { failure, identity, upstream } = await staged.line(0);
      assert.deepEqual([failure?.cause, identity, upstream], ['unauthenticated', null, null]);
    });

    test('permissions are asked of those that are known', async (t) => {
      const staged = await guarded(t, {
        permissions: [
          { claim: 'scope', values: ['write', 'admin'] },
          { claim: 'tenant', values: ['acme'] },
        ],
      });
      assert.equal((await ask(t, staged, bearer())).status, ok);
      for (const [what, headers, expected] of [
        ['nobody', {}, unauthenticated],
        ['scope', bearer({ ...claims, scope: 'read' }), forbidden],
        ['part of a scope', bearer({ ...claims, scope: 'write-not' }), forbidden],
        ['tenant', bearer({ ...claims, tenant: 'other' }), forbidden],
        ['API key', { 'x-api-key': API_KEY }, forbidden],
      ] as const) {
        const outcome = await ask(t, staged, headers);
        assert.deepEqual([outcome.status, outcome.told], [expected, null], what);
      }
      const { failure, identity } = await staged.line(2);
      assert.deepEqual([failure?.cause, identity], ['forbidden', 'alice']);
    });

    test("the client's own claims and keys are removed where nobody is asked who he is", async (t) => {
      const staged = await guarded(t, { auth: null });
      const lies = {
        'x-identity': 'root',
        x_identity: 'root',
        'x-tenant': 'evil',
        'x-api-key': API_KEY,
        'x-other': 'y',
      };
      const { status, told } = await ask(t, staged, lies);
      assert.equal(status, ok);
      assert.equal(told?.['x-other'], 'y');
      for (const name of ['x-identity', 'x_identity', 'x-tenant', 'x-api-key'])
        assert.equal(told[name], undefined, `the engine is told ${name}`);
    });

    test('no secret is in an answer or the log', async (t) => {
      const staged = await guarded(t, { permissions: [{ claim: 'scope', values: ['admin'] }] });
      const good = token('HS256', claims);
      const bad = token('HS256', { ...claims, exp: 1 });
      const answers = JSON.stringify([
        await ask(t, staged, { authorization: `Bearer ${good}` }),
        await ask(t, staged, { authorization: `Bearer ${bad}` }),
        await ask(t, staged, { 'x-api-key': API_KEY }),
        await ask(t, staged, { 'x-api-key': 'another-secret' }),
      ]);
      await staged.line(3);
      const written = JSON.stringify([staged.exchanges, staged.connections]) + answers;
      for (const secret of [good, bad, good.split('.')[2]!, bad.split('.')[1]!, API_KEY, 'another-secret'])
        assert.ok(!written.includes(secret), 'a secret was written');
    });
  });
}

test("names that are the gateway's are removed from trailers, too", async (t) => {
  const modern = await h2Engine(t);
  const { port } = await stage(t, {
    upstreams: { modern: { at: modern.address } },
    auth: { main: AUTH },
    routes: [{}],
  });
  const trailers = { 'x-identity': 'root', 'x-tenant': 'evil', 'x-api-key': API_KEY, 'x-sum': '1' };
  await h2call(await http2(t, port), { body: 'x', trailers });
  const seen = modern.seen[0]!.trailers;
  assert.deepEqual(
    [seen['x-sum'], seen['x-identity'], seen['x-tenant'], seen['x-api-key']],
    ['1', undefined, undefined, undefined],
  );
});

test('where no route claims a request, its claims are removed as well', async (t) => {
  const modern = await h2Engine(t);
  const { port } = await stage(t, {
    upstreams: { modern: { at: modern.address } },
    listeners: [{ upstream: 'modern' }],
    auth: { main: AUTH },
  });
  await http1(port, { headers: { 'x-identity': 'root', 'x-api-key': API_KEY } });
  const { headers } = modern.seen[0]!;
  assert.deepEqual([headers['x-identity'], headers['x-api-key']], [undefined, undefined]);
});

test('the headers of one entry are no claims on a route that asks another', async (t) => {
  const modern = await h2Engine(t);
  const other = authSpec({
    jwt: null,
    apiKeys: [{ name: 'carol', sha256: sha256('k') }],
    apiKeyHeader: 'x-k',
    identityHeader: 'x-who',
  });
  const { port } = await stage(t, {
    upstreams: { modern: { at: modern.address } },
    auth: { main: AUTH, other },
    routes: [{ auth: 'other' }],
  });
  const { status } = await http1(port, { headers: { 'x-k': 'k', 'x-identity': 'root', 'x-api-key': API_KEY } });
  assert.equal(status, 200);
  const { headers } = modern.seen[0]!;
  assert.deepEqual(
    [headers['x-who'], headers['x-identity'], headers['x-api-key'], headers['x-k']],
    ['carol', undefined, undefined, undefined],
  );
});

test('a route may be chosen by a header that is removed later only if the engine does not see it', async (t) => {
  const modern = await h2Engine(t);
  const { port } = await stage(t, {
    upstreams: { modern: { at: modern.address } },
    auth: { main: AUTH },
    routes: [{ match: { headers: [{ name: 'x-api-key', kind: 'present', value: '' }] }, auth: 'main' }],
  });
  assert.equal((await http1(port, { headers: { 'x-api-key': API_KEY } })).status, 200);
  assert.equal((await http1(port)).status, 404);
  assert.equal(modern.seen[0]!.headers['x-api-key'], undefined);
});
