import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mistakeWith, read, snapshotWith } from './one-upstream.ts';

const tenantsOf = (tenants: string) => snapshotWith(`tenants: ${tenants}\n`).tenants;
/** The one mistake, in line 5, whose value begins in column 10. */
const wrong = (tenants: string) => mistakeWith(`tenants: ${tenants}\n`).replace(/^5:/, '').replace('tenants.', '');

test('tenants are off unless they are said', () => {
  assert.equal(snapshotWith('').tenants, null);
  assert.equal(tenantsOf('off'), null);
});

test('a tenant has its tokens, and its shares of upstreams', () => {
  assert.deepEqual(tenantsOf('{names: {a: {tokens: x}}}'), {
    header: 'token',
    unknown: 'shared',
    tenants: [{ name: 'a', tokens: ['x'], shares: [] }],
  });
  const text =
    '{header: X-Tenant, unknown: refused, names: {a: {tokens: [x, y], upstreams: {asr: {reserved: 2, max: 5}, canary: {max: 1}}}, b: {tokens: [z], upstreams: {asr: {reserved: 7}}}}}';
  assert.deepEqual(tenantsOf(text), {
    header: 'x-tenant',
    unknown: 'refused',
    tenants: [
      {
        name: 'a',
        tokens: ['x', 'y'],
        shares: [
          { upstream: 'asr', reserved: 2, max: 5 },
          { upstream: 'canary', reserved: 0, max: 1 },
        ],
      },
      { name: 'b', tokens: ['z'], shares: [{ upstream: 'asr', reserved: 7, max: 0 }] },
    ],
  });
});

test('what cannot be right is a mistake where it stands, and no token is quoted', () => {
  const share = (more: string) => `{names: {a: {tokens: hush, upstreams: {${more}}}}}`;
  const cases: Readonly<Record<string, string>> = {
    on: '10: tenants: "on" is not a map',
    '{}': '10: names: is missing (map of names to tenant: the tenants)',
    '{names: {}}': '18: names: is empty (at least one name: tenant)',
    '{names: {"a b": {tokens: hush}}}': '19: names.a b: is not a name',
    '{names: {a: {}}}': '22: names.a.tokens: is missing (token, or a list: values of the header that select it)',
    '{names: {a: {tokens: []}}}': '31: names.a.tokens: the list is empty (at least one token)',
    '{names: {a: {tokens: [hush, hush]}}}': '38: names.a.tokens[1]: selects two tenants (first a)',
    '{names: {a: {tokens: hush}, b: {tokens: [x, hush]}}}': '54: names.b.tokens[1]: selects two tenants (first a)',
    '{header: "a b", names: {a: {tokens: x}}}': '19: header: "a b" is not a header name (like x-session)',
    '{unknown: maybe, names: {a: {tokens: x}}}': '20: unknown: "maybe" is not known here (known: shared, refused)',
    [share('asrr: {max: 1}')]: '55: names.a.upstreams.asrr: there is no upstream "asrr" (did you mean asr?)',
    [share('asr: {reserved: -1}')]: '65: names.a.upstreams.asr.reserved: "-1" is too small (0 to 1000000)',
    [share('asr: {max: 0}')]: '60: names.a.upstreams.asr.max: "0" is too small (1 to 1000000; or off)',
    [share('asr: {reserved: 3, max: 2}')]: '73: names.a.upstreams.asr.max: 2 is less than reserved (3 or more)',
  };
  for (const [text, right] of Object.entries(cases)) {
    const found = wrong(text);
    assert.ok(found.startsWith(right) && !found.includes('hush'), `${text}\n${found}\n${right}`);
  }
});

test('no more is reserved than an upstream has, where that is known', () => {
  const mistakes = (upstream: string, a: number, b: number) => {
    const tenant = (n: number) => `{tokens: t${n}${a}${b}${Math.abs(n)}, upstreams: {asr: {reserved: ${n}}}}`;
    const names = `{a: ${tenant(a)}, b: ${tenant(b).replace('tokens: t', 'tokens: u')}}`;
    return read(
      `listeners: [{address: ":8800", upstream: asr}]\nupstreams: {asr: ${upstream}}\ntenants: {names: ${names}}\n`,
    ).mistakes;
  };
  const KNOWN = '{endpoints: ["127.0.0.1:1", "unix:/run/a"], max_streams: 4}';
  assert.deepEqual(mistakes(KNOWN, 4, 4), []);
  assert.match(
    mistakes(KNOWN, 4, 5).join('\n'),
    /^f.yaml:3:\d+: tenants.names.b.upstreams.asr.reserved: 9 streams of asr would be reserved, which has 8 \(4 or less\)$/,
  );
  const own = (more: string) => `{endpoints: [{address: "[::1]:1", max_streams: 3}, {address: "127.0.0.1:1"${more}}]}`;
  assert.equal(mistakes(own(', max_streams: 2'), 3, 3).length, 1);
  assert.deepEqual(mistakes(own(''), 300, 300), [], 'an endpoint without a limit');
  assert.deepEqual(
    mistakes('{endpoints: ["asr.internal:1"], max_streams: 4}', 4, 5),
    [],
    'a name of any number of addresses',
  );
});
