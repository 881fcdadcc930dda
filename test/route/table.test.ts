import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderSpec, MatchSpec, PathSpec } from '../../src/policy.ts';
import { RouteTable } from '../../src/route/table.ts';
import type { Asked } from '../../src/route/table.ts';
import { asked, fieldsOf, match } from './asking.ts';

/** Of routes that are their own places. */
const table = (...matches: readonly Partial<MatchSpec>[]): RouteTable<number> =>
  new RouteTable(matches.map((some, route) => ({ match: match(some), route })));
const claims = (some: Partial<MatchSpec>, request: Partial<Asked>): boolean => table(some).find(asked(request)) === 0;
const path = (kind: PathSpec['kind'], value: string): Partial<MatchSpec> => ({ path: { kind, value } });

function claimed(some: Partial<MatchSpec>, yes: readonly Partial<Asked>[], no: readonly Partial<Asked>[]): void {
  for (const request of yes) assert.ok(claims(some, request), `not claimed: ${JSON.stringify(request)}`);
  for (const request of no) assert.ok(!claims(some, request), `claimed: ${JSON.stringify(request)}`);
}
const at = (...paths: readonly string[]): Partial<Asked>[] => paths.map((text) => ({ path: text }));

test('the first route that matches has the request, however it is found', () => {
  const routes: Partial<MatchSpec>[] = [
    path('regex', '^/asr'),
    path('exact', '/asr.v1.Recognizer/Stream'),
    { hosts: ['asr.example'] },
    { hosts: ['*.example'], ...path('prefix', '/asr.v1.Recognizer') },
    { sni: ['asr.example'] },
    path('prefix', '/'),
    {},
  ];
  const request = asked({ serverName: 'asr.example' });
  routes.forEach((first, index) => {
    const others = routes.filter((_, other) => other !== index);
    assert.equal(table(first, ...others).find(request), 0);
    assert.equal(table({ methods: ['GET'] }, first, ...others).find(request), 1);
  });
});

test('an empty table, and one of which nothing matches, has no route', () => {
  assert.equal(table().find(asked()), null);
  assert.equal(table({ methods: ['GET'] }, path('exact', '/'), { hosts: ['a'] }).find(asked()), null);
});

test('a prefix ends on a border of segments', () => {
  claimed(path('prefix', '/a/b'), at('/a/b', '/a/b/', '/a/b/c', '/a/b//c', '/a/b?c'), at('/a', '/a/bc', '/a/b.c', '/', '', '*', '/x/a/b')); // prettier-ignore
  claimed(path('prefix', '/a/'), at('/a/', '/a/b', '/a//', '/a/?'), at('/a', '/ab', '/a?/'));
  claimed(path('prefix', '/'), at('/', '/a', '//', '/?'), at('', '*'));
});

test('an exact path is that path, with any query', () => {
  claimed(path('exact', '/a/b'), at('/a/b', '/a/b?', '/a/b?c=/d'), at('/a/b/', '/a', '/a/B', '/a/bc', ''));
});

test('a regular expression matches anywhere in the path, and not in its query', () => {
  claimed(path('regex', '/v[0-9]+/'), at('/v1/', '/a/v22/b', '/v1/?'), at('/v/', '/a?/v1/'));
  claimed(path('regex', '^/a$'), at('/a', '/a?b'), at('/ab', '/b/a'));
});

test('the same expression answers the same twice', () => {
  const one = table(path('regex', 'a'));
  for (let i = 0; i < 3; i++) assert.equal(one.find(asked({ path: '/xa' })), 0);
});

test('of many expressions the first has it, also where two name a group alike', () => {
  const many = Array.from({ length: 40 }, (_, index) => path('regex', `^/(?<n${index % 30}>x)?r${index}(/|$)`));
  const all = table(...many, path('regex', '^/r7$'), {});
  for (let index = 0; index < 40; index++) assert.equal(all.find(asked({ path: `/r${index}` })), index);
  assert.equal(all.find(asked({ path: '/xr12/a' })), 12);
  assert.equal(all.find(asked({ path: '/none' })), 41);
});

test('a star stands for one label or more, and a list for any of its names', () => {
  const hosts = (...names: (string | null)[]): Partial<Asked>[] => names.map((host) => ({ host }));
  claimed({ hosts: ['*.example'] }, hosts('a.example', 'a.b.example'), hosts('example', '.example', 'aexample', 'a.example.org', null)); // prettier-ignore
  claimed({ hosts: ['a', '*.b', '::1'] }, hosts('a', 'x.b', '::1'), hosts('b', 'x.a', null, 'constructor', '__proto__')); // prettier-ignore
  claimed({}, hosts('a', null), []);
});

test('server names are matched as hosts are, together with them or alone', () => {
  claimed({ sni: ['*.example'] }, [{ serverName: 'a.example' }, { serverName: 'a.example', host: null }], [{}, { serverName: 'example' }]); // prettier-ignore
  const both = { sni: ['tls.example'], hosts: ['asr.example'] };
  claimed(both, [{ serverName: 'tls.example' }], [{}, { serverName: 'tls.example', host: 'b' }, { serverName: 'b' }]);
});

test('a route for all protocols does not claim TLS that passes unopened', () => {
  const tls = { kind: 'tls', host: null, path: '', serverName: 'a.example' } as const;
  claimed({}, [{ kind: 'http' }, { kind: 'tcp' }, { kind: 'websocket' }, { kind: 'grpc_web' }], [tls]);
  claimed({ protocols: ['tls'], sni: ['a.example'] }, [tls], [{ serverName: 'a.example' }]);
  claimed({ protocols: ['grpc', 'grpc_web'] }, [{}, { kind: 'grpc_web' }], [{ kind: 'http' }, tls]);
});

test('listeners and methods are alternatives, as they are written', () => {
  claimed({ listeners: ['main', 'b'] }, [{}, { listener: 'b' }], [{ listener: 'c' }, { listener: 'Main' }]);
  claimed({ methods: ['GET', 'POST'] }, [{}, { method: 'GET' }], [{ method: 'get' }, { method: 'PUT' }]);
});

test('headers all have to match, each by any field of its name', () => {
  const header = (kind: HeaderSpec['kind'], value: string, name = 'x-tenant'): HeaderSpec => ({ name, kind, value });
  const fields = fieldsOf([':method', 'POST'], ['x-tenant', 'red'], ['x-tenant', 'blue'], ['x-empty', '']);
  const holds = (...headers: HeaderSpec[]): boolean => claims({ headers }, { fields });
  for (const value of ['red', 'blue']) assert.ok(holds(header('exact', value)), value);
  assert.ok(!holds(header('exact', 'Red')) && !holds(header('exact', 're')), 'exact is exact');
  assert.ok(holds(header('prefix', 'bl')) && !holds(header('prefix', 'lue')), 'prefix');
  assert.ok(holds(header('regex', 'l.e$')) && !holds(header('regex', '^l')), 'regex');
  assert.ok(holds(header('present', '')) && holds(header('present', '', 'x-empty')), 'present');
  assert.ok(!holds(header('present', '', 'x-none')) && !holds(header('exact', '', 'x-none')), 'not present');
  assert.ok(holds(header('absent', '', 'x-none')) && !holds(header('absent', '', 'x-empty')), 'absent');
  assert.ok(holds(header('exact', 'red'), header('exact', 'blue')), 'both');
  assert.ok(!holds(header('exact', 'red'), header('absent', '')), 'one of two');
});

test('clients are matched by blocks of addresses', () => {
  const clients = (...all: string[]): Partial<Asked>[] => all.map((client) => ({ client }));
  claimed({ clients: ['10.0.0.0/8', '2001:db8::/32', '127.0.0.1'] }, clients('10.1.2.3', '2001:db8::1', '127.0.0.1'), clients('11.0.0.1', '2001:db9::1', '127.0.0.2', '')); // prettier-ignore
});

test('who shows a certificate is told by its subject, by a name in it, or by having been verified at all', () => {
  const reader = { certificate: { subject: 'CN=reader,O=x', names: ['reader.test', 'spiffe://x/reader'] } };
  const other = { certificate: { subject: 'CN=other', names: [] } };
  const nobody = [{ certificate: { subject: null, names: [] } }, { certificate: null }];
  claimed({ certificates: ['CN=reader,O=x'] }, [reader], [other, ...nobody]);
  claimed({ certificates: ['spiffe://x/reader', 'nobody'] }, [reader], [other, ...nobody]);
  claimed({ certificates: ['*'] }, [reader, other], nobody);
});

test('the length of a path or a host, which a stranger chooses, is not what a lookup costs', () => {
  const all = table({ hosts: ['*.example'], ...path('exact', '/a') }, path('prefix', '/a/b'), { sni: ['*.example'] });
  const request = asked({ host: 'a.'.repeat(30_000), serverName: '.'.repeat(60_000), path: '/a'.repeat(30_000) });
  const started = performance.now();
  for (let i = 0; i < 1000; i++) assert.equal(all.find(request), null);
  assert.ok(performance.now() - started < 2000, 'thousands of lookups take seconds');
});

test('why a route matches is said in words', () => {
  const first = match({ methods: ['GET'] });
  const explain = (some: Partial<MatchSpec>, request: Partial<Asked> = {}) =>
    new RouteTable([{ match: first, route: 'a' }, { match: match(some), route: 'b' }]).explain(asked(request)); // prettier-ignore
  assert.deepEqual(explain({}), { index: 1, why: 'it claims everything' });
  assert.deepEqual(
    explain(
      {
        listeners: ['main'],
        protocols: ['grpc'],
        sni: ['b', '*.example'],
        hosts: ['asr.example'],
        path: { kind: 'prefix', value: '/asr.v1.Recognizer' },
        methods: ['POST'],
        headers: [
          { name: 'x-tenant', kind: 'exact', value: 'blue' },
          { name: 'x-none', kind: 'absent', value: '' },
        ],
        clients: ['127.0.0.0/8'],
      },
      { serverName: 'a.example', fields: fieldsOf(['x-tenant', 'blue']) },
    ),
    {
      index: 1,
      why: 'listener main, protocol grpc, server name a.example (*.example), host asr.example, path /asr.v1.Recognizer/Stream (prefix /asr.v1.Recognizer), method POST, header x-tenant (exact blue), header x-none absent, client 127.0.0.1 (127.0.0.0/8)',
    },
  );
  assert.deepEqual(explain({ hosts: ['b'] }), { index: -1, why: 'none of the 2 routes matches' });
  assert.deepEqual(table().explain(asked()), { index: -1, why: 'there are no routes' });
});
