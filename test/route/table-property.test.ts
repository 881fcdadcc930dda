import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderSpec, MatchSpec, PathSpec } from '../../src/policy.ts';
import { RouteTable } from '../../src/route/table.ts';
import type { Asked } from '../../src/route/table.ts';
import { ROUTE_PROTOCOLS } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';
import { fieldsOf, match } from './asking.ts';

/** One route after another, each condition as its words in src/policy.ts are. */
const naive = (routes: readonly MatchSpec[], request: Asked): number =>
  routes.findIndex((spec) => holds(spec, request));

function holds(spec: MatchSpec, request: Asked): boolean {
  const alternatives = (list: readonly string[], value: string): boolean => list.length === 0 || list.includes(value);
  return (
    alternatives(spec.listeners, request.listener) &&
    (spec.protocols.length === 0 ? request.kind !== 'tls' : spec.protocols.includes(request.kind)) &&
    nameHolds(spec.sni, request.serverName) &&
    nameHolds(spec.hosts, request.host) &&
    (spec.path === null || pathHolds(spec.path, request.path.replace(/\?.*$/, ''))) &&
    alternatives(spec.methods, request.method) &&
    spec.headers.every((header) => headerHolds(header, request)) &&
    (spec.clients.length === 0 || spec.clients.some((block) => clientHolds(block, request.client))) &&
    (spec.certificates.length === 0 ||
      (typeof request.certificate?.subject === 'string' &&
        [request.certificate.subject, ...request.certificate.names, '*'].some((each) =>
          spec.certificates.includes(each),
        )))
  );
}

function nameHolds(patterns: readonly string[], name: string | null): boolean {
  if (patterns.length === 0) return true;
  return name !== null && patterns.some((text) => (text.startsWith('*.') ? /./.test(name.split(text.slice(1)).slice(0, -1).join('')) && name.endsWith(text.slice(1)) : name === text)); // prettier-ignore
}

function pathHolds({ kind, value }: PathSpec, path: string): boolean {
  if (kind === 'exact') return path === value;
  if (kind === 'regex') return path.match(value) !== null;
  const under = value.endsWith('/') ? value : `${value}/`;
  return path === value || path.slice(0, under.length) === under;
}

function headerHolds({ name, kind, value }: HeaderSpec, { fields }: Asked): boolean {
  const values = fields.filter((field) => field.name.text === name).map((field) => field.value);
  if (kind === 'absent') return values.length === 0;
  return values.some(
    (text) =>
    kind === 'exact' ? text === value : kind === 'prefix' ? text.indexOf(value) === 0 : kind === 'present' || text.match(value) !== null, // prettier-ignore
  );
}

/** IPv4 alone, on borders of octets. */
function clientHolds(block: string, client: string): boolean {
  const [address = '', bits = '32'] = block.split('/');
  const octets = Number(bits) / 8;
  return address.split('.').slice(0, octets).join('.') === client.split('.').slice(0, octets).join('.');
}

const SEGMENTS = ['a', 'b', 'ab', 'asr.v1', ''];
const LABELS = ['a', 'b', 'example', 'x'];
const REGEXES = ['^/a', 'b$', '/a(/|$)', '^/[^/]+/b', '^/asr\\.v[0-9]+/', '//'];
const CLIENTS = ['10.0.0.1', '10.0.1.1', '10.1.0.1', '192.168.0.1'];
const LISTENERS = ['main', 'edge'];
const METHODS = ['GET', 'POST', 'PUT'];

/** So small a world that routes overlap: nearly each request is claimed by several. */
class World {
  private readonly random: Random;
  constructor(seed: number) {
    this.random = new Random(seed);
  }
  private some<T>(probability: number, make: () => T): T[] {
    return this.random.chance(probability) ? Array.from({ length: this.random.between(1, 2) }, make) : [];
  }
  private readonly path = (): string =>
    `/${Array.from({ length: this.random.below(4) }, () => this.random.pick(SEGMENTS)).join('/')}`;
  private readonly name = (): string =>
    Array.from({ length: this.random.between(1, 3) }, () => this.random.pick(LABELS)).join('.');
  private readonly pattern = (): string => (this.random.chance(0.5) ? `*.${this.name()}` : this.name());
  private readonly header = (): HeaderSpec => ({
    name: this.random.pick(['x-a', 'x-b']),
    kind: this.random.pick(['exact', 'prefix', 'regex', 'present', 'absent'] as const),
    value: this.random.pick(['1', '12', '2']),
  });
  private pathSpec(): PathSpec | null {
    const kind = this.random.pick(['exact', 'prefix', 'prefix', 'regex', null] as const);
    return kind === null ? null : { kind, value: kind === 'regex' ? this.random.pick(REGEXES) : this.path() };
  }
  route(): MatchSpec {
    const { random } = this;
    return match({
      listeners: this.some(0.1, () => random.pick(LISTENERS)),
      protocols: this.some(0.3, () => random.pick(ROUTE_PROTOCOLS)),
      sni: this.some(0.2, this.pattern),
      hosts: this.some(0.5, this.pattern),
      path: this.pathSpec(),
      methods: this.some(0.2, () => random.pick(METHODS)),
      headers: this.some(0.2, this.header),
      clients: this.some(0.1, () => random.pick(['10.0.0.0/16', '10.0.0.0/8', '10.0.0.1', '192.168.0.0/24'])),
      certificates: this.some(0.1, () => random.pick(['*', 'CN=reader', 'reader.test'])),
    });
  }
  request(): Asked {
    const { random } = this;
    return {
      listener: random.pick(LISTENERS),
      kind: random.pick(ROUTE_PROTOCOLS),
      serverName: random.chance(0.3) ? null : this.name(),
      host: random.chance(0.1) ? null : this.name(),
      path: random.chance(0.05) ? random.pick(['', '*']) : this.path() + (random.chance(0.1) ? '?/a/b' : ''),
      method: random.pick(METHODS),
      fields: fieldsOf(...this.some(0.7, () => [random.pick(['x-a', 'x-b']), random.pick(['1', '12', '21'])] as const)),
      client: random.pick(CLIENTS),
      certificate: random.pick([
        null,
        { subject: null, names: [] },
        { subject: 'CN=reader', names: ['reader.test'] },
        { subject: 'CN=other', names: [] },
      ]),
    };
  }
}

test('the table answers 100,000 random requests as asking one route after another does', () => {
  const found = new Map<string, number>();
  for (let seed = 1; seed <= 200; seed++) {
    const world = new World(seed);
    const routes = Array.from({ length: seed % 60 }, () => world.route());
    const table = new RouteTable(routes.map((spec, route) => ({ match: spec, route })));
    for (let i = 0; i < 500; i++) {
      const request = world.request();
      const expected = naive(routes, request);
      const text = `seed ${seed}: ${JSON.stringify({ ...request, fields: request.fields.map(({ name, value }) => [name.text, value]) })}`; // prettier-ignore
      assert.equal(table.find(request) ?? -1, expected, text);
      if (i % 10 === 0) assert.equal(table.explain(request).index, expected, text);
      const by = expected < 0 ? 'none' : (routes[expected]!.path?.kind ?? 'any');
      found.set(by, (found.get(by) ?? 0) + 1);
    }
  }
  for (const kind of ['none', 'any', 'exact', 'prefix', 'regex'])
    assert.ok((found.get(kind) ?? 0) > 1000, `only ${String(found.get(kind))} requests found ${kind}`);
});
