import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_ROUTE, ROUTE_PROTOCOLS, UPSTREAM_PROTOCOLS, type RouteSpec } from '../../src/snapshot.ts';
import { read } from './one-upstream.ts';

/** Routes begin in line 3, from column 3. The upstreams are called what they speak. */
const fileWith = (routes: readonly string[]) => `listeners: [{address: ":1", upstream: h2}]
routes:
${routes.map((route) => `- ${route}`).join('\n')}
upstreams: {${UPSTREAM_PROTOCOLS.map((protocol) => `${protocol}: {endpoints: [a:1], protocol: ${protocol}}`).join(', ')}}
`;

function routesOf(...routes: string[]) {
  const { snapshot, mistakes } = read(fileWith(routes));
  assert.ok(snapshot, mistakes.join('\n'));
  return snapshot.routes;
}

/** The one mistake in the only route, without `f.yaml:3:` and `routes[0]`. */
function mistake(route: string): string {
  const { mistakes } = read(fileWith([route]));
  assert.equal(mistakes.length, 1, mistakes.join('\n') || route);
  return mistakes[0]!.replace('f.yaml:3:', '').replace('routes[0].', '');
}

/** All mistakes, without `f.yaml:`. */
const mistakes = (...routes: string[]) => read(fileWith(routes)).mistakes.map((line) => line.replace('f.yaml:', ''));

test('routes arrive in the order of the file', () => {
  const routes = [
    '{match: {protocol: [tcp, tls], sni: [A.Example., "*.B.Example"]}, upstream: tcp}',
    '{match: {protocol: websocket, host: asr.example}, upstream: http1}',
    '{match: {host: [10.0.0.1, "[2001:DB8::1]", "::1"]}, upstream: h2}',
    '{upstream: same}',
  ];
  const arrived = routesOf(...routes).map(({ match: { protocols, sni, hosts }, action }) => ({
    protocols,
    sni,
    hosts,
    upstreams: action.kind === 'upstream' && action.upstreams,
  }));
  const to = (name: string) => [{ name, weight: 1 }];
  assert.deepEqual(arrived, [
    { protocols: ['tcp', 'tls'], sni: ['a.example', '*.b.example'], hosts: [], upstreams: to('tcp') },
    { protocols: ['websocket'], sni: [], hosts: ['asr.example'], upstreams: to('http1') },
    { protocols: [], sni: [], hosts: ['10.0.0.1', '2001:db8::1', '::1'], upstreams: to('h2') },
    { protocols: [], sni: [], hosts: [], upstreams: to('same') },
  ]);
});

test('without routes there are none, and the shortest route has every default', () => {
  const { snapshot } = read('listeners: [{address: ":1", upstream: a}]\nupstreams: {a: {endpoints: [a:1]}}\n');
  assert.deepEqual(snapshot?.routes, []);
  const shortest: RouteSpec = {
    ...DEFAULT_ROUTE,
    name: 'routes[0]',
    action: { kind: 'upstream', upstreams: [{ name: 'h2', weight: 1 }] },
  };
  for (const route of ['{upstream: h2}', '{match: {}, upstream: h2}', '{match:, limits:, upstream: h2}']) {
    assert.deepEqual(routesOf(route), [shortest], route);
  }
});

test('what is of another kind is reported with what would be right', () => {
  const cases: Readonly<Record<string, string>> = {
    '{match: {}}': '3: upstream: is missing (one of upstream, redirect, respond)',
    '{upstream: h3}': '14: upstream: there is no upstream "h3" (did you mean h2?)',
    '{upstream: [h2]}': '14: upstream: a list is not a name (letters, digits, _ . and -, at most 63)',
    '{match: grpc, upstream: h2}': '11: match: "grpc" is not a map (key: value, one a line)',
    '{host: a, upstream: h2}': '4: host: unknown key (did you mean match.host or redirect.host or rewrite.host?)',
    '{match: {hosts: a}, upstream: h2}': '12: match.hosts: unknown key (did you mean host?)',
    '{match: {protocol: grcp}, upstream: h2}': '22: match.protocol: "grcp" is not known here (did you mean grpc?)',
    '{match: {protocol: [http, h2]}, upstream: h2}': `29: match.protocol[1]: "h2" is not known here (known: ${ROUTE_PROTOCOLS.join(', ')})`,
    '{match: {protocol: []}, upstream: h2}':
      '22: match.protocol: the list is empty (at least one grpc | grpc_web | websocket | http | tcp | tls)',
    '{match: {protocol: [http, http]}, upstream: h2}':
      '29: match.protocol[1]: http is listed twice (first as routes[0].match.protocol[0])',
    '{match: {host: [a, A.]}, upstream: h2}': '22: match.host[1]: a is listed twice (first as routes[0].match.host[0])',
  };
  for (const [route, right] of Object.entries(cases)) assert.equal(mistake(route), right);
});

test('a host is a name or an address, without its port', () => {
  const wildcard = 'a wildcard is the whole first label: *.example';
  const form = 'a name like asr.example, or *.example';
  const cases: Readonly<Record<string, string>> = {
    'asr.example:443': 'a name has no port: asr.example',
    '10.0.0.1:80': 'a name has no port: 10.0.0.1',
    '[::1]:80': 'a name has no port: [::1]',
    'asr.example:*': 'a name has no port: asr.example',
    '[10.0.0.1]': form,
    '*': wildcard,
    'asr.*': wildcard,
    '/v1': form,
    '': form,
  };
  for (const [host, right] of Object.entries(cases)) {
    assert.equal(
      mistake(`{match: {host: "${host}"}, upstream: h2}`),
      `18: match.host: "${host}" is not a host (${right})`,
    );
  }
  assert.equal(
    mistake('{match: {sni: [a, 10.0.0.1]}, upstream: h2}'),
    '21: match.sni[1]: "10.0.0.1" is not a server name (TLS clients name hosts, not addresses)',
  );
});

test('what passes through unopened is known by its name alone', () => {
  const right = 'tls passes through by its names (sni: asr.example)';
  assert.equal(mistake('{match: {protocol: tls}, upstream: tcp}'), `22: match.protocol: ${right}`);
  assert.equal(mistake('{match: {protocol: [tcp, tls]}, upstream: tcp}'), `22: match.protocol: ${right}`);
  assert.equal(
    mistake('{match: {protocol: tls, sni: a, host: a}, upstream: tcp}'),
    '41: match.host: there is no host in tls (sni: asr.example)',
  );
  assert.equal(
    mistake('{match: {protocol: [tcp, tls], sni: a, host: a}, upstream: tcp}'),
    '48: match.host: there is no host in tcp and tls (sni: asr.example)',
  );
  assert.equal(routesOf('{match: {protocol: [tcp, http], host: a}, upstream: same}').length, 1);
});

test('an upstream carries what a route names, as far as it speaks that', () => {
  const carriers = {
    grpc: ['h2', 'same'],
    grpc_web: ['h2', 'http1', 'same'],
    websocket: ['h2', 'http1', 'same'],
    http: ['h2', 'http1', 'same'],
    tcp: ['tcp', 'same'],
    tls: ['tcp', 'same'],
  };
  for (const protocol of ROUTE_PROTOCOLS) {
    const sni = protocol === 'tls' ? ', sni: a' : '';
    for (const upstream of UPSTREAM_PROTOCOLS) {
      const route = `{upstream: ${upstream}, match: {protocol: ${protocol}${sni}}}`;
      const right = carriers[protocol].join(', ').replace(', same', ' or same');
      const wrong = `14: upstream: ${upstream} speaks ${upstream}, which cannot carry ${protocol} (one whose protocol is ${right})`;
      if (carriers[protocol].includes(upstream)) assert.equal(routesOf(route).length, 1);
      else assert.equal(mistake(route), wrong);
    }
  }
  assert.equal(
    mistake('{upstream: h2, match: {protocol: [http, tcp]}}'),
    '14: upstream: h2 speaks h2, which cannot carry tcp (one whose protocol is tcp or same)',
  );
});

test('a route that an earlier one leaves nothing to is a mistake', () => {
  const never = (line: number, i: number, first: number) =>
    `${line}:3: routes[${i}]: is never reached (routes[${first}] takes all of it)`;
  const named = '{match: {host: a.example}, upstream: h2}';
  assert.deepEqual(mistakes('{upstream: h2}', named), [never(4, 1, 0)]);
  assert.deepEqual(mistakes('{upstream: h2}', '{upstream: same}'), [never(4, 1, 0)]);
  assert.deepEqual(
    mistakes(
      '{match: {protocol: [grpc, grpc_web, websocket, http, tcp]}, upstream: same}',
      '{match: {sni: a}, upstream: h2}',
    ),
    [never(4, 1, 0)],
  );
  assert.deepEqual(mistakes(named, '{match: {protocol: grpc, host: [A.Example]}, upstream: same}'), [never(4, 1, 0)]);
  assert.deepEqual(mistakes('{match: {host: "*.example"}, upstream: h2}', named), [never(4, 1, 0)]);
  assert.deepEqual(
    mistakes('{match: {host: "*.example"}, upstream: h2}', '{match: {host: "*.a.example"}, upstream: h2}'),
    [never(4, 1, 0)],
  );
  assert.deepEqual(mistakes(named, '{match: {sni: x}, upstream: h2}', '{match: {sni: [x], host: b}, upstream: h2}'), [
    never(5, 2, 1),
  ]);
});

test('routes that take a part each stand beside one another', () => {
  const routes = [
    '{match: {host: a.example}, upstream: h2}',
    '{match: {protocol: [grpc, http], host: b.example}, upstream: h2}',
    '{match: {protocol: [http, websocket], host: b.example}, upstream: http1}',
    '{match: {sni: a.example}, upstream: h2}',
    '{match: {host: [a.example, c.example]}, upstream: h2}',
    '{match: {host: "*.example"}, upstream: h2}',
    '{match: {host: example}, upstream: h2}',
    '{match: {host: notexample}, upstream: h2}',
    '{match: {protocol: tcp}, upstream: tcp}',
    '{upstream: same}',
    // What passes through unopened has to be named, so that the last one did not take it.
    '{match: {protocol: tls, sni: a.example}, upstream: tcp}',
  ];
  assert.equal(routesOf(...routes).length, routes.length);
});

test('a route with a mistake hides no other, and causes none', () => {
  assert.deepEqual(mistakes('{match: {host: "*"}, upstream: h2}', '{match: {host: a}, upstream: h4}'), [
    '3:18: routes[0].match.host: "*" is not a host (a wildcard is the whole first label: *.example)',
    '4:32: routes[1].upstream: there is no upstream "h4" (did you mean h2?)',
  ]);
});
