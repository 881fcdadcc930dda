import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Indexing } from '../../src/hpack/field.ts';
import type { HeaderEditsSpec } from '../../src/policy.ts';
import { HeaderEdits } from '../../src/route/header-edits.ts';
import { fieldsOf } from './asking.ts';

const edits = (some: Partial<HeaderEditsSpec>): HeaderEdits =>
  new HeaderEdits({ remove: [], set: [], add: [], ...some });
const applied = (some: Partial<HeaderEditsSpec>, ...pairs: (readonly [string, string])[]): string[][] =>
  edits(some)
    .apply(fieldsOf(...pairs))
    .map(({ name, value }) => [name.text, value]);

test('headers are removed, then set, then added', () => {
  assert.deepEqual(
    applied(
      { remove: ['x-a', 'x-b'], set: [['x-b', '1'], ['x-c', '2']], add: [['x-c', '3'], ['x-d', '4'], ['x-d', '5']] }, // prettier-ignore
      [':method', 'GET'],
      ['x-a', 'old'],
      ['x-b', 'old'],
      ['x-c', 'old'],
      ['x-c', 'older'],
      ['x-d', 'kept'],
      ['x-a', 'old too'],
    ),
    [[':method', 'GET'], ['x-d', 'kept'], ['x-b', '1'], ['x-c', '2'], ['x-c', '3'], ['x-d', '4'], ['x-d', '5']], // prettier-ignore
  );
});

test('a list that is edited is not changed itself, and what is made is made once', () => {
  const fields = fieldsOf(['x-a', '1']);
  const some = edits({ remove: ['x-a'], set: [['x-b', '2']] });
  assert.equal(some.apply(fields)[0], some.apply(fields)[0]);
  assert.equal(fields.length, 1);
  const none = edits({}).apply(fields);
  assert.deepEqual(none, fields);
  assert.notEqual(none, fields);
});

test('a secret that is set is never indexed', () => {
  const [field] = edits({ set: [['authorization', 'Bearer x']] }).apply([]);
  assert.equal(field?.indexing, Indexing.NEVER);
});

test('an empty value, and one in latin1, are values', () => {
  assert.deepEqual(applied({ set: [['x-a', '']], add: [['x-b', 'é']] }), [['x-a', ''], ['x-b', 'é']]); // prettier-ignore
});

test('what the proxy itself answers for cannot be edited, in any way', () => {
  const cases = [[':path', /pseudo-header/], [':status', /pseudo-header/], ['connection', /belongs to a connection/], ['keep-alive', /belongs to a connection/], ['proxy-connection', /belongs to a connection/], ['transfer-encoding', /belongs to a connection/], ['upgrade', /belongs to a connection/], ['host', /cannot be edited/], ['content-length', /cannot be edited/], ['te', /cannot be edited/], [':unknown', /pseudo-header/], ['X-Upper', /no name of a header/], ['x a', /no name of a header/], ['', /no name of a header/], ['x-é', /no name of a header/], ['x-\u0100', /beyond latin1/]] as const; // prettier-ignore
  for (const [name, fault] of cases) {
    assert.throws(() => edits({ remove: [name] }), fault, name);
    assert.throws(() => edits({ set: [[name, '1']] }), fault, name);
    assert.throws(() => edits({ add: [[name, '1']] }), fault, name);
  }
});

test('a value that could end a field is refused, and not repeated', () => {
  for (const value of ['secret\r\nx: y', 'secret\0', ' secret', 'secret ', '\u2028secret']) {
    const refused = (error: unknown): boolean => error instanceof Error && /the value of x-a/.test(error.message) && !error.message.includes('secret'); // prettier-ignore
    assert.throws(() => edits({ add: [['x-a', value]] }), refused, JSON.stringify(value));
  }
});

test('a name is set once', () => {
  assert.throws(() => edits({ set: [['x-a', '1'], ['x-a', '2']] }), /x-a is set twice/); // prettier-ignore
});
