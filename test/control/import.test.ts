import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { importText } from '../../src/control/import.ts';
import { precedence } from '../../src/control/import-path.ts';
import { read } from './one-upstream.ts';

/** As synapsor's own example has it, but for the second endpoint. */
const SYNAPSOR = `proxy:
  setting:
    LISTEN_PROXY_ADDR: '0.0.0.0'
  proxy_list:
    - PROXY_NAME: 'asr'
      ENABLED: true
      POOL_ENABLED: true
      DIAL_TIMEOUT: 5             # second
      BACKOFF_MAX_DELAY: 3        # second
      KEEPALIVE_TIME: 5           # second
      KEEPALIVE_TIMEOUT: 10       # second
      REQUEST_IDLE_TIME: 10       # second
      REQUEST_MAX_LIFE: 60        # second
      REQUEST_TIMEOUT: 3          # second
      POOL_MODEL: 1               # default 0 : STRICT_MODE, 1: LOOSE_MODE
      PROXY_MODEL: 'randomWeight' # minConn or randomWeight
      GRPC_REQUEST_REUSABLE: true
      DEFAULT_GRPC_CONN_NUM: 10
      PROXY_PORT: '30680'
      GRPC_PROXY_ENDPOINTS:
        - 172.18.160.84:30880#10
        - 172.18.160.85:30880#20
`;

/** The texts of two that are configured as one expects. */
const PIGEON = `route:
- path: "/users"
  method: "get"
  to: "http://10.0.0.1:8090/users"
- path: user/create
  method: post
  to: http://10.0.0.1:8090/v1/api/user/create
`;

function imported(text: string): string {
  const { text: made, mistakes } = importText(text, 'f.yaml');
  assert.ok(made !== null, mistakes.join('\n'));
  return made;
}

interface Made {
  readonly listeners: readonly Record<string, unknown>[];
  readonly routes: readonly Record<string, unknown>[];
  readonly upstreams: Readonly<Record<string, Record<string, unknown>>>;
}

const madeOf = (text: string) => parse(imported(text)) as Made;

/** What becomes of one proxy: lines of its entry, indented by nothing. */
const proxyWith = (...lines: string[]) => `proxy_list:
- PROXY_NAME: asr
  PROXY_PORT: 1
  GRPC_PROXY_ENDPOINTS: [a:1]
${lines.map((line) => `  ${line}\n`).join('')}`;

const upstreamOf = (...lines: string[]) => {
  const { endpoints, ...more } = madeOf(proxyWith(...lines)).upstreams['asr']!;
  assert.deepEqual(endpoints, ['a:1']);
  return more;
};

/** The comments of a text, without their # and what the head says of every file. */
const commentsIn = (text: string): string[] =>
  text
    .split('\n')
    .flatMap((line) => /^ *# (.*)$/.exec(line)?.[1] ?? [])
    .slice(1);

/** Mistakes without the name of the file. */
const mistakesIn = (text: string): string[] => {
  const { text: made, mistakes } = importText(text, 'f.yaml');
  assert.equal(made, null);
  return mistakes.map((line) => line.replace('f.yaml:', ''));
};

const routesWith = (...routes: string[]) => `route:\n${routes.map((route) => `- {${route}}\n`).join('')}`;
const routeWith = (route: string) => madeOf(routesWith(route)).routes[0]!;
const TO = 'to: "http://a:1/x"';

test('a proxy becomes a listener and the upstream behind it', () => {
  assert.deepEqual(madeOf(SYNAPSOR), {
    listeners: [{ name: 'asr', address: '0.0.0.0:30680', protocols: ['h2'], upstream: 'asr' }],
    upstreams: {
      asr: {
        endpoints: ['172.18.160.84:30880#10', '172.18.160.85:30880#20'],
        balance: 'weighted_random',
        mode: 'loose',
        max_connections: 10,
        connect_timeout: '5s',
        backoff_max: '3s',
        idle_timeout: '10s',
        max_age: '60s',
        keepalive: { interval: '5s', timeout: '10s' },
      },
    },
  });
  assert.deepEqual(commentsIn(imported(SYNAPSOR)), [
    'DEFAULT_GRPC_CONN_NUM 10 were open from the start; that would be `min_connections: 10`',
    'REQUEST_TIMEOUT 3s had no effect there; as `timeout: 3s` of a route it would end streams, too',
  ]);
});

test('what is imported from synapsor is a configuration without a mistake', () => {
  const { snapshot, mistakes } = read(imported(SYNAPSOR));
  assert.ok(snapshot, mistakes.join('\n'));
  assert.deepEqual([snapshot.listeners[0]!.host, snapshot.listeners[0]!.port], ['0.0.0.0', 30680]);
  const { balance, maxAge, keepalive, endpoints } = snapshot.upstreams.get('asr')!;
  assert.deepEqual(
    [balance.policy, maxAge, keepalive],
    ['weighted_random', 60_000, { interval: 5000, timeout: 10_000 }],
  );
  assert.deepEqual(
    endpoints.map(({ weight }) => weight),
    [10, 20],
  );
});

test('what is imported from rpc-pigeon is a configuration without a mistake', () => {
  const more = '- {path: "/users/:id", to: "https://a.example/u/:id"}\n- {path: "/files/*name", to: "http://a:1"}\n';
  const { snapshot, mistakes } = read(imported(`HTTP_TIME_DURATION: 10\n${PIGEON}${more}`));
  assert.ok(snapshot, mistakes.join('\n'));
  assert.equal(snapshot.routes.length, 4);
});

test('each key of a proxy becomes one of ours', () => {
  const cases: readonly (readonly [line: string, made: object])[] = [
    ['DIAL_TIMEOUT: 1.5', { connect_timeout: '1.5s' }],
    ['BACKOFF_MAX_DELAY: "7"', { backoff_max: '7s' }],
    ['REQUEST_IDLE_TIME: 30s', { idle_timeout: '30s' }],
    ['REQUEST_MAX_LIFE: 3600', { max_age: '3600s' }],
    ['REQUEST_MAX_LIFE: 0', { max_age: 'off' }],
    ['KEEPALIVE_TIME: 4', { keepalive: { interval: '4s' } }],
    ['KEEPALIVE_TIMEOUT: 4', { keepalive: { timeout: '4s' } }],
    ['POOL_MODEL: 0', { mode: 'strict' }],
    ['POOL_MODEL: "1"', { mode: 'loose' }],
    ['POOL_MODEL: LOOSE_MODE', { mode: 'loose' }],
    ['PROXY_MODEL: minConn', { balance: 'least_request' }],
    ['PROXY_MODEL: randomweight', { balance: 'weighted_random' }],
    ['GRPC_REQUEST_REUSABLE: false', { exclusive: true }],
    ['GRPC_REQUEST_REUSABLE: yes', {}],
    ['DEFAULT_GRPC_CONN_NUM: 3', { max_connections: 3 }],
    ['REQUEST_TIMEOUT: 3', {}],
    ['ENABLED: on', {}],
    ['DIAL_TIMEOUT:', {}],
  ];
  for (const [line, made] of cases) assert.deepEqual(upstreamOf(line), made, line);
});

test('keys may be in lower case, proxies in a map, endpoints in one string', () => {
  const text = `listen_proxy_addr: '::1'
Proxy_List:
  asr: {proxy_port: ':81', grpc_proxy_endpoints: 'a:1#2, b:1 #3,'}
  tts: {listen_proxy_addr: '127.0.0.1:82', grpc_proxy_endpoints: a:1}
  nlu: {listen_proxy_addr: '[::]', proxy_port: 83, grpc_proxy_endpoints: ['a:1', '[::1]:4#5']}
`;
  const { listeners, upstreams } = madeOf(text);
  assert.deepEqual(
    listeners.map(({ address }) => address),
    ['[::1]:81', '127.0.0.1:82', '[::]:83'],
  );
  assert.deepEqual(
    ['asr', 'tts', 'nlu'].map((name) => upstreams[name]!['endpoints']),
    [['a:1#2', 'b:1#3'], ['a:1'], ['a:1', '[::1]:4#5']],
  );
  assert.ok(
    commentsIn(imported(text)).includes('The port selects the upstream; the metadata `proxy` is not looked at.'),
  );
});

test('without an address of its own a proxy listens on all interfaces', () => {
  assert.equal(madeOf(proxyWith()).listeners[0]!['address'], ':1');
});

test('a key that has no equal is named in a comment, its value is not', () => {
  const text = `VERSION: hush
proxy:
  setting: {ADMIN_PASSWORD: hush}
  proxy_list:
  - {PROXY_NAME: asr, PROXY_PORT: 1, GRPC_PROXY_ENDPOINTS: [a:1], TOKEN: hush, "a\\nb: c": hush}
  CLUSTER: {NODES: hush}
`;
  const made = imported(text);
  assert.ok(!made.includes('hush'), made);
  assert.deepEqual(commentsIn(made), [
    'TOKEN (line 5) has no equal here',
    '"a\\nb: c" (line 5) has no equal here',
    'CLUSTER (line 6) has no equal here',
    'ADMIN_PASSWORD (line 3) has no equal here',
    'VERSION (line 1) has no equal here',
  ]);
  assert.ok(read(made).snapshot, made);
});

test('a number that has no equal is named in a comment, and our default stands', () => {
  const text = proxyWith('DIAL_TIMEOUT: 0', 'KEEPALIVE_TIME: 0');
  assert.deepEqual(upstreamOf('DIAL_TIMEOUT: 0', 'KEEPALIVE_TIME: 0'), {});
  assert.deepEqual(commentsIn(imported(text)), [
    'DIAL_TIMEOUT 0 has no equal here; the default of connect_timeout stands',
    'KEEPALIVE_TIME 0 has no equal here; the default of interval stands',
  ]);
});

test('a proxy that is not enabled, or has no pool, is commented out, and takes neither name nor port', () => {
  for (const [line, why] of [
    ['ENABLED: false', 'ENABLED is false'],
    ['POOL_ENABLED: no', 'POOL_ENABLED is false'],
    ['ENABLED: false, POOL_ENABLED: false', 'ENABLED and POOL_ENABLED are false'],
  ] as const) {
    const off = `- {PROXY_NAME: asr, PROXY_PORT: 1, GRPC_PROXY_ENDPOINTS: [off:1], FOO: 1, ${line}}\n`;
    const text = imported(`${proxyWith()}${off}`);
    const { listeners, upstreams } = parse(text) as Made;
    assert.deepEqual(listeners, [{ name: 'asr', address: ':1', protocols: ['h2'], upstream: 'asr' }]);
    assert.deepEqual(upstreams, { asr: { endpoints: ['a:1'] } });
    const comments = commentsIn(text);
    assert.equal(comments.filter((each) => each === `asr: ${why}`).length, 2, text);
    assert.ok(comments.includes('    - off:1') && comments.includes('FOO (line 5) has no equal here'), text);
  }
});

test('an endpoint that is listed twice gets both its shares', () => {
  const text = `proxy_list: [{PROXY_NAME: a, PROXY_PORT: 1, GRPC_PROXY_ENDPOINTS: ['a:1#10', 'b:1', 'a:1#90000', 'a:1#90000']}]`;
  assert.deepEqual(madeOf(text).upstreams['a']!['endpoints'], ['a:1#99999', 'b:1']);
  assert.deepEqual(commentsIn(imported(text)), ['a:1 was listed 3 times: its weights are added up']);
});

test('a value that cannot be right is a mistake where it stands', () => {
  const cases: Readonly<Record<string, string>> = {
    'DIAL_TIMEOUT: soon': '"soon" is not a duration (with a unit, like 5s, 250ms or 1m30s)',
    'DIAL_TIMEOUT: 7200': '"7200s" is too large (1ms to 1h)',
    'KEEPALIVE_TIME: -1': '"-1" is not a duration (with a unit, like 5s, 250ms or 1m30s)',
    'REQUEST_TIMEOUT: [3]': 'a list is not one value (a number of seconds)',
    'POOL_MODEL: 2': '"2" is not known here (known: 0, 1, strict, loose, strict_mode, loose_mode)',
    'PROXY_MODEL: minCon': '"minCon" is not known here (known: minConn, randomWeight, random)',
    'ENABLED: maybe': '"maybe" is not a boolean (true or false)',
    'DEFAULT_GRPC_CONN_NUM: 0': '"0" is too small (1 to 10000)',
    'DEFAULT_GRPC_CONN_NUM: 1.5': '"1.5" is not a whole number (1 to 10000)',
  };
  for (const [line, right] of Object.entries(cases)) {
    const [key] = line.split(':') as [string];
    assert.deepEqual(mistakesIn(proxyWith(line)), [`5:${key.length + 5}: proxy_list[0].${key}: ${right}`], line);
  }
});

test('names, ports and endpoints have to be there, and to be right', () => {
  assert.deepEqual(mistakesIn('proxy_list: [{}]'), [
    '1:14: proxy_list[0].PROXY_NAME: is missing (a name)',
    '1:14: proxy_list[0].PROXY_PORT: is missing (the port to listen at)',
    '1:14: proxy_list[0].GRPC_PROXY_ENDPOINTS: is missing (at least one host:port#weight)',
  ]);
  assert.deepEqual(
    mistakesIn('proxy_list:\n- {PROXY_NAME: a b, PROXY_PORT: 70000, GRPC_PROXY_ENDPOINTS: [a, "b:1#0", {}]}'),
    [
      '2:16: proxy_list[0].PROXY_NAME: "a b" is not a name (letters, digits, _ . and -, at most 63)',
      '2:33: proxy_list[0].PROXY_PORT: ":70000" is not an address (a port is 0 to 65535)',
      '2:63: proxy_list[0].GRPC_PROXY_ENDPOINTS[0]: "a" is not an endpoint (host:port, host:port#weight or unix:/path)',
      '2:66: proxy_list[0].GRPC_PROXY_ENDPOINTS[1]: "b:1#0" is not an endpoint (a weight is a whole number, 1 to 99999)',
      '2:75: proxy_list[0].GRPC_PROXY_ENDPOINTS[2]: a map is not one value (at least one host:port#weight)',
    ],
  );
  assert.deepEqual(mistakesIn('proxy_list: {"a b": {PROXY_PORT: 1, GRPC_PROXY_ENDPOINTS: []}}'), [
    '1:21: proxy_list.a b: is not a name (letters, digits, _ . and -, at most 63)',
    '1:59: proxy_list.a b.GRPC_PROXY_ENDPOINTS: the list is empty (at least one host:port#weight)',
  ]);
  assert.deepEqual(
    mistakesIn('proxy_list: [{PROXY_NAME: a, proxy_name: a, PROXY_PORT: 1, GRPC_PROXY_ENDPOINTS: a:1}]'),
    ['1:30: proxy_list[0].proxy_name: is written twice (first in line 1)'],
  );
});

test('two proxies of one name or one port are a mistake', () => {
  const proxy = (name: string, port: number, more = '') =>
    `- {PROXY_NAME: ${name}, PROXY_PORT: ${port}, GRPC_PROXY_ENDPOINTS: a:1${more}}\n`;
  const text = `proxy_list:\n${proxy('a', 1)}${proxy('a', 2)}${proxy('b', 2, ', LISTEN_PROXY_ADDR: 10.0.0.1')}`;
  assert.deepEqual(mistakesIn(text), [
    '3:3: proxy_list[1]: a second proxy is called a (each has its own PROXY_NAME)',
    '4:3: proxy_list[2]: 10.0.0.1:2 is already taken by the proxy a (each has its own PROXY_PORT)',
  ]);
});

test('a file that nothing would come of is a mistake', () => {
  const neither = '1:1: YAML: neither a proxy_list of synapsor nor a route of rpc-pigeon is here';
  const cases: Readonly<Record<string, string>> = {
    '': neither,
    '# nothing': neither,
    'listeners: []': neither,
    'proxy: {setting: {}}': neither,
    'proxy: 1': '1:8: proxy: "1" is not a map (key: value, one a line)',
    '[1]': '1:1: YAML: a list is not a map (key: value, one a line)',
    'proxy_list:': '1:12: proxy_list: the list is empty (at least one proxy)',
    'proxy_list: []': '1:13: proxy_list: the list is empty (at least one proxy)',
    'proxy_list: {}': '1:13: proxy_list: the list is empty (at least one proxy)',
    'route:': '1:7: route: nothing is not a list (- path, method, to: one a route)',
    'route: []': '1:8: route: the list is empty (at least one route)',
    'route: [1]': '1:9: route[0]: "1" is not a map (key: value, one a line)',
    'route: []\nproxy_list: []': '1:8: route: a route beside a proxy_list (one system a file)',
  };
  for (const [text, right] of Object.entries(cases)) assert.deepEqual(mistakesIn(text), [right], text);
  assert.deepEqual(mistakesIn(proxyWith('ENABLED: false')), [
    '2:1: proxy_list: no proxy is enabled (ENABLED: true, POOL_ENABLED: true)',
  ]);
});

test('what is no YAML is a mistake where it breaks', () => {
  const [first] = mistakesIn('proxy_list:\n  - {PROXY_NAME: a\n  b: ]\n');
  assert.match(first!, /^\d+:\d+: YAML: /);
});

test('routes become routes, and servers upstreams', () => {
  const rewrite = { regex: { pattern: '^.*$', replace: '/v1/api/user/create' } };
  assert.deepEqual(madeOf(PIGEON), {
    listeners: [{ name: 'http', address: ':9800', protocols: ['http1'] }],
    routes: [
      { match: { path: '/users', method: 'GET' }, upstream: '10.0.0.1-8090' },
      { match: { path: '/user/create', method: 'POST' }, upstream: '10.0.0.1-8090', rewrite },
    ],
    upstreams: { '10.0.0.1-8090': { protocol: 'http1', endpoints: ['10.0.0.1:8090'] } },
  });
  assert.deepEqual(commentsIn(imported(PIGEON)), [
    'The port is HTTP_SERVER_PORT of Config.yaml, 9800 if it was not changed.',
  ]);
});

test('what Config.yaml says of the HTTP server counts where the two files are one', () => {
  const text = `HTTP_SERVER_PORT: '8080'\nHTTP_TIME_DURATION: 10\nDB_PASSWD: hush\n${PIGEON}`;
  const { listeners, routes } = madeOf(text);
  assert.deepEqual([listeners[0]!['address'], routes.map(({ timeout }) => timeout)], [':8080', ['10s', '10s']]);
  assert.deepEqual(commentsIn(imported(text)), ['DB_PASSWD (line 3) has no equal here']);
  assert.deepEqual(mistakesIn(`HTTP_SERVER_PORT: http\nHTTP_TIME_DURATION: long\n${PIGEON}`), [
    '1:19: HTTP_SERVER_PORT: "http" is not a port (host:port, [::1]:port, or :port for all interfaces)',
    '2:21: HTTP_TIME_DURATION: "long" is not a duration (with a unit, like 5s, 250ms or 1m30s)',
  ]);
});

test('a method may be a list, or any', () => {
  const cases: Readonly<Record<string, unknown>> = {
    'method: get': 'GET',
    'method: Delete': 'DELETE',
    'method: [get, POST, GET]': ['GET', 'POST'],
    'method: "get, post"': ['GET', 'POST'],
    'method: any': undefined,
    'method: "*"': undefined,
    'method:': undefined,
  };
  for (const [method, made] of Object.entries(cases)) {
    const { match } = routeWith(`path: /x, ${TO}, ${method}`);
    assert.deepEqual(match, made === undefined ? { path: '/x' } : { path: '/x', method: made }, method);
  }
});

test('a path with parameters becomes a regular expression or a prefix, and says what it was', () => {
  const cases: Readonly<Record<string, unknown>> = {
    '/users/:id': { regex: '^/users/[^/]+$' },
    '/v1.0/:a/b/:c': { regex: '^/v1\\.0/[^/]+/b/[^/]+$' },
    '/a/:b/c/*rest': { regex: '^/a/[^/]+/c/.*$' },
    '/files/*name': { prefix: '/files' },
    '/*all': { prefix: '/' },
  };
  for (const [path, made] of Object.entries(cases)) {
    const text = routesWith(`path: "${path}", ${TO}`);
    assert.deepEqual(madeOf(text).routes[0]!['match'], { path: made }, path);
    const parameters = path.match(/[:*]\w+/g)!.join(' and ');
    assert.deepEqual(commentsIn(imported(text)).slice(1), [
      `from ${path}`,
      `what stands for ${parameters} is not passed on, as before`,
    ]);
  }
});

test('the path is rewritten to that of the address, as it would have been', () => {
  const cases: readonly (readonly [
    path: string,
    to: string,
    rewrite: readonly [pattern: string, replace: string] | null,
  ])[] = [
    ['/a', '/a', null],
    ['/users/:id', '/users/:id', null],
    ['/a', '/', ['^.*$', '/']],
    ['/a', '/b', ['^.*$', '/b']],
    ['/a', '/$1/:x', ['^.*$', '/$$1/:x']],
    ['/u/:id', '/b', ['^.*$', '/b']],
    ['/u/:id', '/b/:id', ['^/u/([^/]+)$', '/b/$1']],
    ['/u/:a/:b', '/:b/:a', ['^/u/([^/]+)/([^/]+)$', '/$2/$1']],
    ['/f/*name', '/g/*name', ['^/f/?(.*)$', '/g/$1']],
    ['/*name', '/g/*name', ['^/?(.*)$', '/g/$1']],
  ];
  for (const [path, to, rewrite] of cases) {
    const made = routeWith(`path: "${path}", to: "http://a:1${to}"`)['rewrite'];
    assert.deepEqual(
      made,
      rewrite ? { regex: { pattern: rewrite[0], replace: rewrite[1] } } : undefined,
      `${path} ${to}`,
    );
  }
  const filled = '/f/a/b'.replace(/^\/f\/?(.*)$/, '/g/$1');
  assert.equal(filled, '/g/a/b');
});

test('an address without a path gets the path as it came', () => {
  const text = routesWith('path: /a, to: "a.example:80"');
  assert.deepEqual(madeOf(text).routes, [{ match: { path: '/a' }, upstream: 'a.example-80' }]);
  assert.ok(
    commentsIn(imported(text)).includes('`to` has no path: the path goes on as it came, where it was / before'),
  );
});

test('servers are told apart by scheme, host and port, and each is one upstream', () => {
  const tos = [
    'http://A.example/a',
    'https://a.example',
    'http://a.example:443',
    'http://a.example:80',
    'http://[::1]:81/',
  ];
  const { routes, upstreams } = madeOf(routesWith(...tos.map((to, i) => `path: /${i}, to: "${to}"`)));
  assert.deepEqual(
    routes.map(({ upstream }) => upstream),
    ['a.example-80', 'a.example-443', 'a.example-443-2', 'a.example-80', '1-81'],
  );
  assert.deepEqual(upstreams, {
    'a.example-80': { protocol: 'http1', endpoints: ['a.example:80'] },
    'a.example-443': { protocol: 'http1', endpoints: ['a.example:443'], tls: 'on' },
    'a.example-443-2': { protocol: 'http1', endpoints: ['a.example:443'] },
    '1-81': { protocol: 'http1', endpoints: ['[::1]:81'] },
  });
});

test('what is in an address besides is named in a comment, and no password is shown', () => {
  const good = routesWith('path: /a, to: "http://me:hush@a:1/a?token=hush", cache: hush');
  const made = imported(good);
  assert.ok(!made.includes('hush'), made);
  assert.deepEqual(commentsIn(made).slice(1), [
    'the user and password of `to` have no equal here',
    'the query of `to` has no equal here',
    'cache (line 2) has no equal here',
  ]);
  for (const to of ['http://me:hush@a:x/', 'http://me:hush@*.*.*.*:8090/users', 'http://me:hush@a b/']) {
    assert.deepEqual(mistakesIn(routesWith(`path: /a, to: "${to}"`)), [
      '2:18: route[0].to: is not an address (http://host:port/path)',
    ]);
  }
});

test('a route that cannot be right is a mistake where it stands', () => {
  const path = 'like /users, /users/:id or /files/*name, other characters as %XX';
  const cases: Readonly<Record<string, string>> = {
    [`path: /a`]: '2:3: route[0].to: is missing (http://host:port/path)',
    [TO]: '2:3: route[0].path: is missing (like /users)',
    [`path: "/a b", ${TO}`]: `2:10: route[0].path: "/a b" is not a path (${path})`,
    [`path: "/a?b", ${TO}`]: `2:10: route[0].path: "/a?b" is not a path (${path})`,
    [`path: "/*a/b", ${TO}`]: '2:10: route[0].path: "/*a/b" is not a path (* is all of the last segment)',
    [`path: /a, method: "g t", ${TO}`]: '2:22: route[0].method: "g t" is not a method (get, post)',
    [`path: /a, method: [], ${TO}`]: '2:22: route[0].method: the list is empty (get, or a list)',
    'path: /a, to: "grpc://a:1"': '2:18: route[0].to: grpc is not known here (http or https)',
  };
  for (const [route, right] of Object.entries(cases)) assert.deepEqual(mistakesIn(routesWith(route)), [right], route);
});

test('a route that an earlier one of its path leaves nothing to is a mistake', () => {
  const route = (path: string, method: string) => `path: "${path}", method: ${method}, ${TO}`;
  assert.deepEqual(
    mistakesIn(
      routesWith(route('/a', 'get'), route('/a', 'post'), route('/a', '[post]'), route('a', 'any'), route('/a', 'put')),
    ),
    [
      '4:3: route[2]: is never reached (route[1] takes all of it)',
      '6:3: route[4]: is never reached (route[3] takes all of it)',
    ],
  );
  assert.deepEqual(mistakesIn(routesWith(route('/a/:b', 'get'), route('/a/:c', 'get'))), [
    '3:3: route[1]: is never reached (route[0] takes all of it)',
  ]);
});

test('fixed paths go before parameters, as in the router that they were written for', () => {
  const paths = ['/*all', '/a/*rest', '/a/:b', '/b', '/:x/new', '/a/:b/*rest', '/a/new', '/a/b/*rest'];
  const sorted = ['/b', '/a/new', '/a/b/*rest', '/a/:b', '/a/:b/*rest', '/a/*rest', '/:x/new', '/*all'];
  assert.deepEqual(paths.toSorted(precedence), sorted);
  const moved = imported(routesWith(`path: "/a/:b", ${TO}`, `path: /a/new, ${TO}`));
  const why = 'The first route that matches counts: fixed paths stand before parameters.';
  assert.ok(commentsIn(moved).includes(why), moved);
  assert.ok(!imported(routesWith(`path: /b, ${TO}`, `path: /a, ${TO}`)).includes(why), 'nothing moved');
});

const folder = mkdtempSync(join(tmpdir(), 'frameway-import-'));
after(() => rmSync(folder, { recursive: true }));

function frameway(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('the command writes to standard output what check then takes', () => {
  const [source, target] = [join(folder, 'ProxyConfig.yaml'), join(folder, 'gateway.yaml')];
  writeFileSync(source, SYNAPSOR);
  const { status, stdout, stderr } = frameway('import', source);
  assert.deepEqual([status, stderr, stdout], [0, '', imported(SYNAPSOR)]);
  writeFileSync(target, stdout);
  assert.equal(frameway('check', target).status, 0);
});

test('the command tells mistakes on standard error and exits 78', () => {
  const bad = join(folder, 'bad.yaml');
  writeFileSync(bad, 'route:\n- {path: /a}\n');
  assert.deepEqual(frameway('import', bad), {
    status: 78,
    stdout: '',
    stderr: `${bad}:2:3: route[0].to: is missing (http://host:port/path)\n`,
  });
  const none = join(folder, 'none.yaml');
  assert.equal(frameway('import', none).stderr, `${none}: cannot be read: there is no such file\n`);
});
