import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GrpcWebHalf } from '../../src/relay/grpc-web-half.ts';
import { Random } from '../support/random.ts';
import { GRPC_OK, settled, SPEC, Stage } from './duplicating.ts';
import type { Asked, Client } from './duplicating.ts';
import { ClientHalf, message, read, requestOf, textOf } from './grpc-web-peers.ts';

const GRPC = { headers: { 'content-type': 'application/grpc' } };

describe('the same request twice', () => {
  test('is executed once, and both get the one answer', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask(), stage.ask()];
    assert.deepEqual([first.kind, second.kind], ['leader', 'follower']);
    await settled();
    assert.equal(stage.executions.length, 1);
    assert.equal(stage.execution.body, 'body');
    stage.execution.begin({ ':status': '201', 'x-made': 'yes', 'content-length': '4' }, false, 'Made');
    stage.execution.data('do');
    await settled();
    assert.equal(second.half.heads.length, 0);
    stage.execution.data('ne', true);
    await settled();
    for (const { half, answer } of [first, second]) {
      assert.deepEqual(answer, [201, 'done']);
      assert.deepEqual(textOf(half.heads[0]!.fields), [
        [':status', '201'],
        ['x-made', 'yes'],
        ['content-length', '4'],
      ]);
      assert.equal(half.heads[0]!.reason, 'Made');
    }
    assert.equal(stage.duplicates.waiting, 0);
  });

  test('over gRPC gets message and trailers', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask(GRPC), stage.ask(GRPC)];
    stage.execution.begin(GRPC_OK);
    stage.execution.data(message(Buffer.from('done')));
    stage.execution.trailers({ 'grpc-status': '0', 'x-cost': '3' });
    await settled();
    const third = stage.ask(GRPC);
    await settled();
    for (const { half, grpcStatus } of [first, second, third]) {
      assert.equal(grpcStatus, '0');
      assert.deepEqual(textOf(half.trailers!), [
        ['grpc-status', '0'],
        ['x-cost', '3'],
      ]);
      assert.deepEqual(read(half.body).messages, [Buffer.from('done')]);
    }
    assert.equal(stage.executions.length, 1);
  });

  test('gets an answer that is a head alone, or has an empty body', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask(), stage.ask()];
    stage.execution.begin({ ':status': '204' }, true);
    const [third, fourth] = [stage.ask({ key: 'other' }), stage.ask({ key: 'other' })];
    stage.execution.answer('', { ':status': '200' });
    await settled();
    assert.deepEqual(
      [first, second, third, fourth].map(({ half, answer }) => [...answer, half.heads[0]!.end]),
      [
        [204, '', true],
        [204, '', true],
        [200, '', false],
        [200, '', false],
      ],
    );
  });

  test('waits for an answer whichever of the two comes to its end first', async () => {
    const stage = new Stage();
    const first = stage.ask({ body: null });
    const second = stage.ask({ body: 'the body' });
    await settled();
    first.send('the ');
    first.send('body', true);
    stage.execution.answer('done');
    await settled();
    assert.deepEqual(second.answer, [200, 'done']);

    const third = stage.ask({ body: null });
    third.send('the bo');
    await settled();
    assert.equal(third.half.ended, false, 'nobody knows yet that it is the same');
    third.send('dy');
    third.end();
    await settled();
    assert.deepEqual(third.answer, [200, 'done']);
    assert.equal(stage.executions.length, 1);
  });

  test('is recognised however its body is cut', async () => {
    const random = new Random(67);
    const stage = new Stage();
    const body = random.octets(5000).toString('latin1');
    stage.ask({ body });
    stage.execution.answer('done');
    for (let n = 0; n < 50; n++) {
      const client = stage.ask({ body: null });
      const octets = Buffer.from(body);
      let from = 0;
      for (const to of random.cuts(octets.length, 10)) {
        client.send(octets.subarray(from, to));
        from = to;
      }
      client.send(octets.subarray(from), true);
      await settled();
      assert.deepEqual(client.answer, [200, 'done']);
      assert.equal(client.half.credited, octets.length);
    }
    assert.equal(stage.executions.length, 1);
  });

  test('passes interim responses to the first alone', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask(), stage.ask()];
    await settled();
    stage.execution.inform({ ':status': '103' });
    stage.execution.answer('done');
    await settled();
    const statuses = [first, second].map(({ half }) => half.heads.map(({ fields }) => fields[0]!.value));
    assert.deepEqual(statuses, [['103', '200'], ['200']]);
  });
});

test('an answer is replayed for as long as it is kept, and then the request is executed again', async () => {
  const stage = new Stage({ ttl: 5000 });
  stage.ask();
  stage.execution.answer('one');
  await settled();
  stage.pass(4990);
  const again = stage.ask();
  await settled();
  assert.deepEqual(again.answer, [200, 'one']);
  stage.pass(10);
  assert.equal(stage.ask().kind, 'leader');
  stage.execution.answer('two');
  await settled();
  assert.equal(stage.executions.length, 2);
  stage.pass(5100);
  stage.assertClean();
});

describe('the same key', () => {
  const others: Record<string, Asked> = {
    'another route': { route: 1 },
    'another method': { method: 'PUT' },
    'another client': { client: '192.0.2.2' },
    'an identity': { identity: 'alice' },
    'an identity like an address': { identity: '192.0.2.1' },
  };
  for (const [what, asked] of Object.entries(others)) {
    test(`of ${what} is another one`, async () => {
      const stage = new Stage();
      const [first, second] = [stage.ask(), stage.ask(asked)];
      stage.executions[0]!.answer('one');
      stage.executions[1]!.answer('two');
      await settled();
      assert.deepEqual([first.text, second.text], ['one', 'two']);
    });
  }

  test('of one identity is the same wherever it comes from, and whatever proves it', async () => {
    const stage = new Stage();
    stage.ask({ identity: 'alice', client: '192.0.2.1', headers: { authorization: 'Bearer one' } });
    stage.execution.answer('done');
    const again = stage.ask({ identity: 'alice', client: '192.0.2.2', headers: { authorization: 'Bearer two' } });
    await settled();
    assert.deepEqual(again.answer, [200, 'done']);
  });

  test('with another body or path is refused, while the first is open and later', async () => {
    const stage = new Stage();
    stage.ask();
    const early = [stage.ask({ body: 'other' }), stage.ask({ path: '/pay?twice' }), stage.ask({ body: '' })];
    await settled();
    stage.execution.answer('done');
    await settled();
    const late = [stage.ask({ body: 'other' }), stage.ask({ path: '/pay?twice' })];
    await settled();
    for (const client of [...early, ...late]) {
      assert.equal(client.status, 422);
      assert.match(client.text, /"error":"conflict"/);
    }
    assert.equal(stage.executions.length, 1);
    assert.equal(stage.duplicates.waiting, 0);
  });

  test('with another message is FAILED_PRECONDITION over gRPC', async () => {
    const stage = new Stage();
    stage.ask(GRPC);
    const other = stage.ask({ ...GRPC, body: 'other' });
    await settled();
    assert.equal(other.grpcStatus, '9');
  });

  test('of clients behind one address does not give one the answer to the credentials of another', async () => {
    for (const name of ['authorization', 'cookie']) {
      const stage = new Stage();
      stage.ask({ headers: { [name]: 'alice' } });
      stage.execution.answer('for alice');
      const [other, none, same] = [
        stage.ask({ headers: { [name]: 'mallory' } }),
        stage.ask(),
        stage.ask({ headers: { [name]: 'alice' } }),
      ];
      await settled();
      assert.deepEqual([other.status, none.status], [422, 422]);
      assert.deepEqual(same.answer, [200, 'for alice']);
    }
  });

  test('may be of any length and hold anything', async () => {
    const stage = new Stage();
    const keys = ['a', '"a"', 'a,b', 'x'.repeat(10_000), `${'x'.repeat(10_000)}y`, '[null,"192.0.2.1",0,"POST","a"]'];
    for (const key of keys) {
      stage.ask({ key });
      stage.execution.answer(key);
    }
    assert.equal(stage.executions.length, keys.length);
    for (const key of keys) {
      const again = stage.ask({ key });
      await settled();
      assert.equal(again.text, key);
    }
  });
});

test('what has no key, and what opens a tunnel, is not looked at', () => {
  const stage = new Stage();
  assert.equal(stage.ask({ key: '' }).kind, 'none');
  assert.equal(stage.ask({ key: '' }).kind, 'none');
  assert.equal(stage.ask({ method: 'CONNECT', body: null }).kind, 'none');
  assert.equal(stage.executions.length, 3);
  assert.equal(stage.duplicates.size, 0);
});

test('a browser that asks by gRPC-Web shares the answer of a gRPC client', async () => {
  const stage = new Stage();
  const body = message(Buffer.from('ask')).toString('latin1');
  stage.ask({ ...GRPC, body });
  stage.execution.begin(GRPC_OK);
  stage.execution.data(message(Buffer.from('done')));
  stage.execution.trailers({ 'grpc-status': '0' });
  const again = stage.ask({ ...GRPC, body: null });
  const browser = new ClientHalf();
  const web = new GrpcWebHalf(browser, requestOf({ 'content-type': 'application/grpc-web+proto' }), []);
  // The filter has the place of the client's own half.
  web.sink = again.sink;
  for (const method of ['sendHead', 'sendData', 'sendTrailers'] as const) {
    Object.assign(again.half, { [method]: web[method].bind(web) });
  }
  const octets = Buffer.from(body, 'latin1');
  web.onData(octets, 0, octets.length, true);
  await settled();
  const { messages, trailers } = read(browser.body);
  assert.deepEqual(messages, [Buffer.from('done')]);
  assert.equal(Object.fromEntries(trailers ?? [])['grpc-status'], '0');
  assert.equal(stage.executions.length, 1);
});

describe('slow clients', () => {
  const LONG = 'x'.repeat(90_000);
  const slow = (client: Client): void => {
    client.half.takes = 0;
  };

  test('the engine of a slow leader gets credit for what has left, and for nothing twice', async () => {
    const stage = new Stage();
    const first = stage.ask();
    slow(first);
    stage.execution.begin({ ':status': '200' });
    stage.execution.data(LONG);
    const credited = [0, 40_000, 10_000, 40_000].map((bytes) => {
      first.drain(bytes);
      return stage.execution.credited;
    });
    assert.deepEqual(credited, [0, 40_000, 50_000, 90_000]);
    stage.execution.data('', true);
    await settled();
    assert.equal(first.text, LONG);
  });

  test('the engine of a leader that goes gets the credit that was owed, and goes on', async () => {
    const stage = new Stage();
    const first = stage.ask();
    slow(first);
    stage.execution.begin({ ':status': '200' });
    stage.execution.data(LONG);
    first.drain(10_000);
    first.go();
    assert.equal(stage.execution.credited, 90_000);
    stage.execution.data('!');
    assert.equal(stage.execution.credited, 90_001);
    stage.execution.data('', true);
    const again = stage.ask();
    await settled();
    assert.equal(again.text, `${LONG}!`);
  });

  test('a slow follower is given no more than a window of what it does not take', async () => {
    const stage = new Stage();
    stage.ask();
    stage.execution.answer(LONG);
    const again = stage.ask({ body: null });
    slow(again);
    again.send('body', true);
    await settled();
    assert.equal(again.half.body.length, 64 * 1024);
    again.drain(1);
    await settled();
    assert.equal(again.half.body.length, 64 * 1024 + 1);
    again.drain();
    await settled();
    assert.deepEqual(again.answer, [200, LONG]);
  });

  test('a follower that goes while it is answered takes nothing with it', async () => {
    const stage = new Stage();
    stage.ask();
    stage.execution.answer(LONG);
    const gone = stage.ask({ body: null });
    slow(gone);
    gone.send('body', true);
    await settled();
    gone.go();
    const again = stage.ask();
    await settled();
    assert.equal(again.text, LONG);
    stage.pass(SPEC.ttl + 100);
    stage.assertClean();
  });
});
