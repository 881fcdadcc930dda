import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcStatus, GRPC_STATUS_NAMES } from '../../src/errors.ts';
import { listenerWith, mistakeInListener } from './one-upstream.ts';

const DEFAULTS = {
  attempts: 3,
  grpcStatuses: [GrpcStatus.UNAVAILABLE],
  httpStatuses: [502, 503],
  backoffBase: 25,
  backoffMax: 250,
  perTryTimeout: 0,
  budget: 0.2,
  minPerSecond: 3,
};

test('answers are tried again only where that is asked for', () => {
  assert.equal(listenerWith('').retry, null);
  assert.equal(listenerWith('retry: off').retry, null);
  assert.deepEqual(listenerWith('retry: on').retry, DEFAULTS);
  assert.deepEqual(listenerWith('retry: {attempts: 2}').retry, { ...DEFAULTS, attempts: 2 });
});

test('everything about retries arrives in the snapshot', () => {
  const line =
    'retry: {attempts: 5, grpc_statuses: [ABORTED, 8], http_statuses: [429], backoff_base: 1s, backoff_max: 2s, per_try_timeout: 3s, budget: 12.5%, min_per_second: 0}';
  assert.deepEqual(listenerWith(line).retry, {
    attempts: 5,
    grpcStatuses: [GrpcStatus.ABORTED, GrpcStatus.RESOURCE_EXHAUSTED],
    httpStatuses: [429],
    backoffBase: 1000,
    backoffMax: 2000,
    perTryTimeout: 3000,
    budget: 0.125,
    minPerSecond: 0,
  });
  assert.deepEqual(listenerWith('retry: {grpc_statuses: [], http_statuses: []}').retry?.grpcStatuses, []);
});

test('a gRPC status goes by its name or its number, and both are one', () => {
  for (const [i, name] of GRPC_STATUS_NAMES.entries()) {
    if (name === 'OK') continue;
    assert.deepEqual(listenerWith(`retry: {grpc_statuses: [${name}]}`).retry?.grpcStatuses, [i]);
    assert.deepEqual(listenerWith(`retry: {grpc_statuses: [${i}, ${name}]}`).retry?.grpcStatuses, [i]);
  }
});

test('mistakes in retries are reported where they were written', () => {
  const status = 'is not a gRPC status (a name like UNAVAILABLE, or 1 to 16)';
  const cases: Readonly<Record<string, string>> = {
    'retry: 3': '12: retry: "3" is not a map (key: value, one a line; or on or off)',
    'retry: {attempts: 1}': '23: retry.attempts: "1" is too small (2 to 10)',
    'retry: {attempts: 11}': '23: retry.attempts: "11" is too large (2 to 10)',
    'retry: {grpc_statuses: UNAVAILABLE}':
      '28: retry.grpc_statuses: "UNAVAILABLE" is not a list (did you mean ["UNAVAILABLE"]?)',
    'retry: {grpc_statuses: [UNAVAILBLE]}':
      '29: retry.grpc_statuses[0]: "UNAVAILBLE" is not a gRPC status (did you mean UNAVAILABLE?)',
    'retry: {grpc_statuses: [14, 17]}': `33: retry.grpc_statuses[1]: "17" ${status}`,
    'retry: {grpc_statuses: [0]}': `29: retry.grpc_statuses[0]: "0" ${status}`,
    'retry: {grpc_statuses: [OK]}': `29: retry.grpc_statuses[0]: "OK" ${status}`,
    'retry: {http_statuses: [200]}': '29: retry.http_statuses[0]: "200" is too small (400 to 599)',
    'retry: {http_statuses: [5xx]}': '29: retry.http_statuses[0]: "5xx" is not a whole number (400 to 599)',
    'retry: {backoff_base: 0}': '27: retry.backoff_base: "0" is too small (1ms to 1h)',
    'retry: {backoff_base: 1s}': '27: retry.backoff_base: 1s is more than backoff_max (250ms or less)',
    'retry: {backoff_max: 20ms}': '26: retry.backoff_max: 20ms is less than backoff_base (25ms or more)',
    'retry: {backoff_max: 2h}': '26: retry.backoff_max: "2h" is too large (1ms to 1h)',
    'retry: {per_try_timeout: 0}': '30: retry.per_try_timeout: "0" is too small (1ms to 1h; or off)',
    'retry: {budget: 0.2}': '21: retry.budget: "0.2" is not a percentage (like 50%)',
    'retry: {budget: 101%}': '21: retry.budget: "101%" is too large (0% to 100%)',
    'retry: {min_per_second: -1}': '29: retry.min_per_second: "-1" is too small (0 to 1000000)',
  };
  for (const [line, mistake] of Object.entries(cases)) assert.equal(mistakeInListener(line), mistake);
});
