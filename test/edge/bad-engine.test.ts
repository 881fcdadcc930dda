import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as h2 from '../support/frames.ts';
import { Flag, Type } from '../support/frames.ts';
import {
  Code,
  END,
  OK,
  call,
  engineWith,
  grpcRequest,
  request,
  respond,
  serve,
  sessionsWith,
  stage,
  type Play,
} from './stage.ts';

/** Both lines of the table claim it: the session is lost, and the engine's answer is malformed. */
const BROKEN = [13, 14] as const;
/** What an engine does with a request before any response, and the `grpc-status` and the status that the client reads. */
const early: readonly (readonly [what: string, play: Play, grpc: number | typeof BROKEN, http: readonly number[]])[] = [
  ['closes the connection', (session) => session.close(), 14, [503]],
  ['ends the connection', (session) => session.socket.end(), 14, [503]],
  [
    'hangs up inside a frame',
    (session, id) => {
      session.send(h2.frameHeader(100, Type.HEADERS, END, id));
      session.socket.end();
    },
    14,
    [503],
  ],
  ['sends garbage', (session) => session.sendRaw('garbage '.repeat(100)), BROKEN, [502, 503]],
  [
    'sends GOAWAY with an error and closes',
    (session, id) => {
      session.send(h2.goawayFrame(id, Code.INTERNAL_ERROR));
      session.socket.end();
    },
    14,
    [503],
  ],
  ['breaks the framing', (session) => session.data(0, 'x'), BROKEN, [502, 503]],
  ['breaks HPACK', (session, id) => session.send(h2.headersFrame(id, Buffer.from([0x80]), END)), BROKEN, [502, 503]],
  ['pushes', (session, id) => session.send(h2.frame(Type.PUSH_PROMISE, 4, id, Buffer.alloc(4))), BROKEN, [502, 503]],
  ['says nothing of a status', respond([['x', '1']]), 13, [502]],
  ['has a status of two digits', respond([[':status', '20']]), 13, [502]],
  ['has a status of four digits', respond([[':status', '2000']]), 13, [502]],
  ['has a status that is no number', respond([[':status', 'okay']]), 13, [502]],
  ['has a status below 100', respond([[':status', '099']]), 13, [502]],
  ['has two statuses', respond([...OK, ...OK]), 13, [502]],
  ['has 101', respond([[':status', '101']], Flag.END_HEADERS), 13, [502]],
  ['ends with 1xx', respond([[':status', '103']]), 13, [502]],
  ['has an upper-case name', respond([...OK, ['X', '1']]), 13, [502]],
  ['has a connection header', respond([...OK, ['connection', 'close']]), 13, [502]],
  ['has transfer-encoding', respond([...OK, ['transfer-encoding', 'chunked']]), 13, [502]],
  ['has the pseudo-header of a request', respond([...OK, [':path', '/']]), 13, [502]],
  ['has CR LF in a value', respond([...OK, ['x', 'a\r\nset-cookie: b']]), 13, [502]],
  ['promises octets and sends none', respond([...OK, ['content-length', '5']]), 13, [502]],
  ['has two content-lengths', respond([...OK, ['content-length', '0'], ['content-length', '1']]), 13, [502]],
  ['sends DATA first', (session, id) => session.data(id, 'early'), 13, [502]],
  ['resets with NO_ERROR', (session, id) => session.reset(id, 0), 13, [502]],
  ['resets with PROTOCOL_ERROR', (session, id) => session.reset(id, 1), 13, [502]],
  ['resets with INTERNAL_ERROR', (session, id) => session.reset(id, 2), 13, [502]],
  ['resets with CANCEL', (session, id) => session.reset(id, 8), 1, [502]],
  ['resets with ENHANCE_YOUR_CALM', (session, id) => session.reset(id, 11), 8, [502]],
  ['resets with INADEQUATE_SECURITY', (session, id) => session.reset(id, 12), 7, [502]],
  ['resets with a code that nobody knows', (session, id) => session.reset(id, 0xdead), 13, [502]],
  ['refuses every stream', (session, id) => session.reset(id, 7), 14, [502]],
];

describe('an engine that fails before its response is told to the client by the table', () => {
  for (const [what, play, grpc, http] of early) {
    test(`one that ${what}`, async (t) => {
      const { gateway, client, stillServes } = await stage(t, await engineWith(t, { '/bad': play }));
      const peer = await client();
      const answer = await call(peer, grpcRequest('/bad'));
      assert.equal(answer.status, 200);
      assert.ok([grpc].flat().includes(answer.grpcStatus!), `grpc-status ${answer.grpcStatus}`);
      const plain = await call(peer, request('/bad'));
      assert.ok(http.includes(plain.status), `status ${plain.status}, reset ${plain.reset}`);
      await stillServes();
      assert.equal(gateway.count('frameway_exchanges'), 0);
      assert.deepEqual(
        gateway.connections.filter(({ event }) => event === 'bug'),
        [],
      );
    });
  }
});

describe('an engine that never speaks HTTP/2', () => {
  const answers = [
    'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n',
    Buffer.alloc(100, 0xff),
    h2.pingFrame(),
    '',
  ];
  for (const answer of answers) {
    test(`but ${JSON.stringify(answer.toString('latin1').slice(0, 12))} is the failure of the call`, async (t) => {
      const engine = await sessionsWith(
        t,
        (session) => {
          session.sendRaw(answer);
          session.socket.end();
        },
        null,
      );
      const { client, gateway } = await stage(t, engine);
      const peer = await client();
      const { grpcStatus } = await call(peer, grpcRequest('/'));
      assert.ok(
        BROKEN.some((code) => code === grpcStatus),
        `grpc-status ${grpcStatus}`,
      );
      const { status } = await call(peer, request('/'));
      assert.ok([502, 503].includes(status), `status ${status}`);
      assert.equal(gateway.count('frameway_exchanges'), 0);
    });
  }
  test('is UNAVAILABLE and 502 where nobody listens', async (t) => {
    const { client } = await stage(t, { address: '127.0.0.1:1' });
    const peer = await client();
    assert.equal((await call(peer, grpcRequest('/'))).grpcStatus, 14);
    assert.equal((await call(peer, request('/'))).status, 502);
  });
  test('is used again once it does', async (t) => {
    const engine = await sessionsWith(t, (session, number) => (number === 0 ? session.close() : serve(session)));
    const { client } = await stage(t, engine);
    const peer = await client();
    await call(peer, grpcRequest('/'));
    assert.equal((await call(peer, grpcRequest('/'), 'back')).body.toString(), 'back');
  });
});
