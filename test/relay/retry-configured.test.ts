/** Retries that a listener is configured for: which answers and failures they follow, and what either side sees of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-peer.ts';
import { heads } from '../edge/requests.ts';
import { call, Code, echo, engineWith, grpcRequest, request, type Play } from '../edge/stage.ts';
import { previous, refuse, RETRY, retrying, UNAVAILABLE } from './retrying.ts';

const rst =
  (code: number): Play =>
  (session, id) =>
    session.reset(id, code);
const busy: Play = (session, id) => {
  session.headers(
    id,
    [
      [':status', '503'],
      ['x-busy', 'yes'],
    ],
    0,
  );
  session.data(id, 'not the answer');
};

describe('a call that is refused with a listed status is tried again', () => {
  test('and the client sees only the attempt that went well', async (t) => {
    const { gateway, peer, tries, stillServes } = await retrying(t, [UNAVAILABLE, UNAVAILABLE, echo]);
    const { status, body, headers, grpcStatus } = await call(peer, grpcRequest('/x'), 'baggage');
    assert.deepEqual([status, body.toString(), grpcStatus, headers['grpc-status']], [200, 'baggage', 0, undefined]);
    assert.deepEqual(previous(tries), [undefined, '1', '2']);
    assert.equal(gateway.count('frameway_retries_total'), 2);
    assert.deepEqual(
      gateway.exchanges.map(({ attempts: n, failure }) => [n, failure]),
      [[3, null]],
    );
    await stillServes();
  });
  test('at another endpoint', async (t) => {
    const bad = await engineWith(t, { '/x': UNAVAILABLE });
    const well = await engineWith(t);
    const gateway = await startGateway({
      endpoints: [bad.address, well.address],
      listener: { retry: { ...RETRY, attempts: 2 } },
    });
    t.after(() => gateway.close());
    const peer = await RawClient.connect(gateway.port);
    t.after(() => peer.close());
    for (let i = 0; i < 10; i++) assert.equal((await call(peer, grpcRequest('/x'), 'x')).grpcStatus, 0);
    assert.equal(heads(well).length, 10);
    assert.ok(heads(bad).length > 0, 'the bad one was never asked');
  });
  test('after a 1xx, which does not commit', async (t) => {
    const early: Play = (session, id, head) => {
      session.headers(id, [[':status', '103']], 0);
      return UNAVAILABLE(session, id, head);
    };
    const { peer } = await retrying(t, [early, echo]);
    const { informational, grpcStatus } = await call(peer, grpcRequest('/x'));
    assert.deepEqual([informational, grpcStatus], [[103], 0]);
  });
  test('and is told that it is another attempt in place of what the client says', async (t) => {
    const { peer, tries } = await retrying(t, [UNAVAILABLE, echo]);
    await call(peer, grpcRequest('/x', ['grpc-previous-rpc-attempts', '7'], ['x-after', 'kept']));
    assert.deepEqual(previous(tries), ['7', '1']);
    assert.deepEqual(
      tries.map((one) => one.field('x-after')),
      ['kept', 'kept'],
    );
  });
  test('with what is left of its time', async (t) => {
    const { peer, tries, stillServes } = await retrying(t, [refuse(14, ['grpc-retry-pushback-ms', '60']), echo]);
    // So that none is lost on connecting.
    await stillServes();
    assert.equal((await call(peer, grpcRequest('/x', ['grpc-timeout', '3S']))).grpcStatus, 0);
    const [first, second] = tries.map((one) => one.field('grpc-timeout')!);
    assert.equal(first, '3S');
    assert.match(second!, /^[0-9]+u$/);
    assert.ok(parseInt(second!) <= 2_940_000, second);
  });
});

describe('what is no reason to try again reaches the client at once and as it is', () => {
  test('a status that is not listed', async (t) => {
    const { gateway, peer, tries } = await retrying(t, [
      refuse(5, ['x-detail', 'no such model'], ['grpc-message', 'gone']),
    ]);
    const { headers, grpcStatus, body } = await call(peer, grpcRequest('/x'));
    assert.deepEqual([grpcStatus, headers['x-detail'], headers['grpc-message']], [5, 'no such model', 'gone']);
    assert.equal(body.length, 0);
    assert.equal(tries.length, 1);
    assert.equal(gateway.count('frameway_retries_total'), 0);
  });
  test('trailers with a listed status after a message', async (t) => {
    const late: Play = (session, id) => {
      session.headers(
        id,
        [
          [':status', '200'],
          ['content-type', 'application/grpc'],
        ],
        0,
      );
      session.data(id, 'half');
      session.headers(id, [
        ['grpc-status', '14'],
        ['x-why', 'died'],
      ]);
    };
    const { peer, tries } = await retrying(t, [late]);
    const { body, trailers } = await call(peer, grpcRequest('/x'));
    assert.deepEqual([body.toString(), trailers], ['half', { 'grpc-status': '14', 'x-why': 'died' }]);
    assert.equal(tries.length, 1);
  });
  test('a failure that is not listed', async (t) => {
    const { peer, tries } = await retrying(t, [rst(Code.INTERNAL_ERROR)]);
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 13);
    assert.equal(tries.length, 1);
  });
  test('anything at all of a listener without retries', async (t) => {
    const engine = await engineWith(t, { '/x': UNAVAILABLE });
    const gateway = await startGateway({ endpoints: [engine.address], listener: { retry: null } });
    t.after(() => gateway.close());
    const peer = await RawClient.connect(gateway.port);
    t.after(() => peer.close());
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 14);
    assert.equal(heads(engine).length, 1);
  });
});

describe('when there is to be no other attempt the client gets the last answer whole', () => {
  test('after as many attempts as are allowed', async (t) => {
    let n = 0;
    const numbered: Play = (session, id, head) =>
      refuse(14, ['grpc-message', `try ${++n}`], ['x-trace', 'abc'])(session, id, head);
    const { peer, tries, stillServes } = await retrying(t, [numbered]);
    const { headers } = await call(peer, grpcRequest('/x'));
    assert.deepEqual(headers, {
      ':status': '200',
      'content-type': 'application/grpc',
      'grpc-status': '14',
      'grpc-message': 'try 3',
      'x-trace': 'abc',
    });
    assert.equal(tries.length, 3);
    await stillServes();
  });
  test('with its body and trailers', async (t) => {
    const whole: Play = (session, id) => {
      session.headers(
        id,
        [
          [':status', '503'],
          ['retry-after', '9'],
        ],
        0,
      );
      session.data(id, 'too busy');
      session.headers(id, [['x-checksum', '1234']]);
    };
    const { peer, tries } = await retrying(t, [whole], { attempts: 2 });
    const { status, headers, body, trailers } = await call(peer, request('/x'));
    assert.deepEqual(
      [status, headers['retry-after'], body.toString(), trailers],
      [503, '9', 'too busy', { 'x-checksum': '1234' }],
    );
    assert.equal(tries.length, 2);
  });
  test('when the budget is spent', async (t) => {
    const { peer, tries } = await retrying(t, [refuse(14, ['x-trace', 'abc'])], { budget: 0, minPerSecond: 0 });
    const { grpcStatus, headers } = await call(peer, grpcRequest('/x'));
    assert.deepEqual([grpcStatus, headers['x-trace']], [14, 'abc']);
    assert.equal(tries.length, 1);
  });
  test('when more of the request has gone than the replay buffer holds', async (t) => {
    const full: Play = async (session, id, head) => {
      await session.until(() => (session.heard(id).body.length >= 5000 ? true : undefined), 'the body');
      return refuse(14, ['x-trace', 'abc'])(session, id, head);
    };
    const { peer, tries, stillServes } = await retrying(t, [full], {}, { limits: { replayBuffer: 1000 } });
    const { grpcStatus, headers } = await call(peer, grpcRequest('/x'), 'x'.repeat(5000));
    assert.deepEqual([grpcStatus, headers['x-trace']], [14, 'abc']);
    assert.equal(tries.length, 1);
    await stillServes();
  });
});

describe('a call that is not gRPC', () => {
  test('is tried again after a listed status, and the body of the refusal is dropped', async (t) => {
    const { peer, tries, stillServes } = await retrying(t, [busy, echo]);
    const { status, headers, body } = await call(peer, request('/x'), 'baggage');
    assert.deepEqual([status, headers['x-busy'], body.toString()], [200, undefined, 'baggage']);
    assert.equal(tries[0]!.heard.reset, Code.CANCEL);
    assert.deepEqual(previous(tries), [undefined, undefined]);
    await stillServes();
  });
  test('is not tried again after another', async (t) => {
    const { peer, tries } = await retrying(t, [(session, id) => session.headers(id, [[':status', '500']])]);
    assert.equal((await call(peer, request('/x'))).status, 500);
    assert.equal(tries.length, 1);
  });
  test('nor is a gRPC call that gets a listed HTTP status left with it', async (t) => {
    const { peer, tries } = await retrying(t, [busy, echo]);
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 0);
    assert.deepEqual(previous(tries), [undefined, '1']);
  });
});
