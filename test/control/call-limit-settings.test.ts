import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_LIMITS } from '../../src/snapshot.ts';
import { listenerWith, mistakeInListener, mistakeInRoute, routeOf } from './one-upstream.ts';

const limitsOf = (limits: string) => routeOf(`{upstream: asr, limits: {${limits}}}`).limits;
const wrong = (limits: string) => mistakeInRoute(`{upstream: asr, limits: {${limits}}}`).replace('limits.', '');
const ALL = { source: 'all', name: '' };

test('limits are none unless they are said, on routes and on listeners', () => {
  assert.deepEqual(limitsOf(''), NO_LIMITS);
  assert.deepEqual(listenerWith('').limits, NO_LIMITS);
  assert.deepEqual(listenerWith('limits: {max_body: 1MiB, rate: 5}').limits, {
    ...NO_LIMITS,
    maxBody: 1_048_576,
    rates: [{ by: ALL, rate: 5, burst: 5, maxKeys: 10_000 }],
  });
});

test('each limit arrives in each of its forms', () => {
  const cases: Readonly<Record<string, object>> = {
    'allow: [10.0.0.0/8], deny: ["10.0.0.1"]': { allow: ['10.0.0.0/8'], deny: ['10.0.0.1/32'] },
    'rate: 100/s': { rates: [{ by: ALL, rate: 100, burst: 100, maxKeys: 10_000 }] },
    'rate: 2.5': { rates: [{ by: ALL, rate: 2.5, burst: 3, maxKeys: 10_000 }] },
    'rate: {rate: 30/m, by: client, burst: 7, max_keys: 5}': {
      rates: [{ by: { source: 'client', name: '' }, rate: 0.5, burst: 7, maxKeys: 5 }],
    },
    'rate: [1/h, {rate: 1, by: "metadata:X-Call"}]': {
      rates: [
        { by: ALL, rate: 1 / 3600, burst: 1, maxKeys: 10_000 },
        { by: { source: 'header', name: 'x-call' }, rate: 1, burst: 1, maxKeys: 10_000 },
      ],
    },
    'concurrency: 3': { concurrency: [{ by: ALL, max: 3 }] },
    'concurrency: [{max: 3}, {max: 4, by: client}]': {
      concurrency: [
        { by: ALL, max: 3 },
        { by: { source: 'client', name: '' }, max: 4 },
      ],
    },
    'max_body: 1KiB, max_message: 7': { maxBody: 1024, maxMessage: 7 },
    'max_body: off, max_message: off': {},
  };
  for (const [limits, right] of Object.entries(cases)) {
    assert.deepEqual(limitsOf(limits), { ...NO_LIMITS, ...right }, limits);
  }
});

test('what is no limit is a mistake where it stands', () => {
  const cases: Readonly<Record<string, string>> = {
    'allow: 10.0.0.0/8': '35: allow: "10.0.0.0/8" is not a list (did you mean ["10.0.0.0/8"]?)',
    'deny: [a]': '35: deny[0]: "a" is not a CIDR block',
    'rate: fast': '34: rate: "fast" is not a rate (like 100/s, 10/m, 1/h, or a number a second)',
    'rate: 0': '34: rate: "0" is not a rate (more than 0, and 1000000/s at most)',
    'rate: 2000000/s': '34: rate: "2000000/s" is not a rate (more than 0, and 1000000/s at most)',
    'rate: []': '34: rate: the list is empty (at least one rate limit)',
    'rate: {by: client}': '34: rate.rate: is missing (rate: calls: `100/s`, `10/m`, `1/h`)',
    'rate: {rate: 1, by: header}': '48: rate.by: "header" is not a key (a header has a name: header:x-session)',
    'rate: {rate: 1, by: cookie:a}': '48: rate.by: "cookie:a" is not a key (all, client, identity or header:NAME)',
    'rate: {rate: 1, burst: 0}': '51: rate.burst: "0" is too small (1 to 1000000)',
    'rate: [1, {rate: 1, max_keys: 0}]': '58: rate[1].max_keys: "0" is too small (1 to 1000000)',
    'concurrency: 0': '41: concurrency: "0" is too small (1 to 1000000)',
    'max_body: 0': '38: max_body: "0" is too small (1B to 1024GiB; or off)',
    'max_message: big': '41: max_message: "big" is not a size',
    'rates: 1': '28: rates: unknown key (did you mean rate?)',
  };
  for (const [limits, right] of Object.entries(cases)) {
    assert.ok(wrong(limits).startsWith(right), `${limits}\n${wrong(limits)}\n${right}`);
  }
});

test('by identity counts only where somebody asks who calls', () => {
  assert.equal(wrong('rate: [1, {rate: 1, by: identity}]'), '52: rate[1].by: nobody is identified here (auth: NAME)');
  assert.equal(
    wrong('concurrency: {max: 1, by: identity}'),
    '54: concurrency.by: nobody is identified here (auth: NAME)',
  );
  assert.match(
    mistakeInListener('limits: {rate: {rate: 1, by: identity}}'),
    /limits.rate.by: nobody is identified here/,
  );
});
