import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import * as h2 from '../support/frames.ts';
import { Flag, Type, type Field } from '../support/frames.ts';
import { literals } from '../support/header-block.ts';
import type { RawSession } from '../support/raw-session.ts';
import { Code, call, echo, engineWith, grpcRequest, request, serve, sessionsWith, stage, type Play } from './stage.ts';

const END = Flag.END_STREAM | Flag.END_HEADERS;
const OK: readonly Field[] = [[':status', '200']];
const hang: Play = () => undefined;
const head =
  (fields: readonly Field[], flags = END): Play =>
  (session, id) =>
    session.send(h2.headersFrame(id, literals(fields), flags));
const raw =
  (...frames: readonly Buffer[]): Play =>
  (session) =>
    session.send(...frames);

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
  ['breaks the framing', raw(h2.dataFrame(0, 'x')), BROKEN, [502, 503]],
  ['breaks HPACK', (session, id) => session.send(h2.headersFrame(id, Buffer.from([0x80]), END)), BROKEN, [502, 503]],
  ['pushes', (session, id) => session.send(h2.frame(Type.PUSH_PROMISE, 4, id, Buffer.alloc(4))), BROKEN, [502, 503]],
  ['says nothing of a status', head([['x', '1']]), 13, [502]],
  ['has a status of two digits', head([[':status', '20']]), 13, [502]],
  ['has a status of four digits', head([[':status', '2000']]), 13, [502]],
  ['has a status that is no number', head([[':status', 'okay']]), 13, [502]],
  ['has a status below 100', head([[':status', '099']]), 13, [502]],
  ['has two statuses', head([...OK, ...OK]), 13, [502]],
  ['has 101', head([[':status', '101']], Flag.END_HEADERS), 13, [502]],
  ['ends with 1xx', head([[':status', '103']]), 13, [502]],
  ['has an upper-case name', head([...OK, ['X', '1']]), 13, [502]],
  ['has a connection header', head([...OK, ['connection', 'close']]), 13, [502]],
  ['has transfer-encoding', head([...OK, ['transfer-encoding', 'chunked']]), 13, [502]],
  ['has the pseudo-header of a request', head([...OK, [':path', '/']]), 13, [502]],
  ['has CR LF in a value', head([...OK, ['x', 'a\r\nset-cookie: b']]), 13, [502]],
  ['promises octets and sends none', head([...OK, ['content-length', '5']]), 13, [502]],
  ['has two content-lengths', head([...OK, ['content-length', '0'], ['content-length', '1']]), 13, [502]],
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
      assert.ok(!gateway.connections.some(({ event }) => event === 'bug'));
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

describe('an engine that fails in the middle of its response', () => {
  const begin = (session: RawSession, id: number, ...more: Field[]): void => {
    session.headers(id, [...OK, ...more], 0);
    session.data(id, 'half');
  };
  const late: readonly (readonly [what: string, play: Play])[] = [
    ['closes', (session) => session.socket.end()],
    ['sends garbage', (session) => session.sendRaw('garbage '.repeat(100))],
    ['sends trailers without END_STREAM', head([['x', '1']], Flag.END_HEADERS)],
    ['sends a pseudo-header in its trailers', head(OK)],
  ];
  for (const [what, play] of late) {
    test(`and ${what} is trailers for gRPC and RST_STREAM for others`, async (t) => {
      const bad: Play = async (session, id, frame) => {
        begin(session, id);
        await new Promise((resolve) => setTimeout(resolve, 20));
        await play(session, id, frame);
      };
      const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
      const peer = await client();
      const answer = await call(peer, grpcRequest('/bad'));
      assert.equal(answer.body.toString(), 'half');
      assert.ok([13, 14].includes(answer.grpcStatus!) || [1, 2].includes(answer.reset!));
      if (what === 'closes') assert.equal(answer.grpcStatus, 14);
      const plain = await call(peer, request('/bad'));
      assert.equal(plain.body.toString(), 'half');
      assert.notEqual(plain.reset, null);
      await stillServes();
    });
  }
  for (const [sent, received] of [
    [1, 1],
    [2, 2],
    [8, 8],
    [11, 11],
    [7, 2],
  ] as const) {
    test(`a reset with ${sent} reaches the client as ${received}`, async (t) => {
      const bad: Play = (session, id) => {
        begin(session, id);
        session.reset(id, sent);
      };
      const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
      const { status, reset } = await call(await client(), grpcRequest('/bad'));
      assert.deepEqual([status, reset], [200, received]);
      await stillServes();
    });
  }
  test('an octet beyond content-length never reaches the client, and the end is not clean', async (t) => {
    const bad: Play = (session, id) => {
      session.headers(id, [...OK, ['content-length', '4']], 0);
      session.data(id, 'four');
      session.data(id, 'more', Flag.END_STREAM);
    };
    const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
    const { status, body, reset } = await call(await client(), request('/bad'));
    if (status === 200) {
      assert.ok('four'.startsWith(body.toString()));
      assert.notEqual(reset, null);
    } else assert.equal(status, 502);
    await stillServes();
  });
  test('an octet less than content-length is not a clean end', async (t) => {
    const bad: Play = (session, id) => {
      session.headers(id, [...OK, ['content-length', '4']], 0);
      session.data(id, 'fou', Flag.END_STREAM);
    };
    const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
    const { status, reset } = await call(await client(), request('/bad'));
    assert.ok(status === 502 || reset !== null);
    await stillServes();
  });
});

describe('a content-length that counts no octets is right', () => {
  for (const [method, status] of [
    ['HEAD', '200'],
    ['GET', '304'],
    ['GET', '204'],
  ] as const) {
    test(`in a response ${status} to ${method}`, async (t) => {
      const play = head([[':status', status], ...(status === '204' ? [] : [['content-length', '500'] as const])]);
      const { client } = await stage(t, await engineWith(t, { '/odd': play }));
      const peer = await client();
      const fields = request('/odd').map(([name, value]): Field => [name, name === ':method' ? method : value]);
      const answer = await peer.message(peer.open(fields, Flag.END_STREAM));
      assert.deepEqual([answer.status, answer.reset], [Number(status), null]);
    });
  }
});

describe('a call that the engine has not begun moves to another session, and the client sees nothing', () => {
  const moves: readonly (readonly [what: string, play: Play])[] = [
    [
      'GOAWAY below it',
      (session) => {
        session.send(h2.goawayFrame(0, Code.NO_ERROR));
      },
    ],
    [
      'GOAWAY below it and the end',
      (session) => {
        session.send(h2.goawayFrame(0, Code.NO_ERROR));
        session.socket.end();
      },
    ],
    ['REFUSED_STREAM', (session, id) => session.reset(id, Code.REFUSED_STREAM)],
    [
      '1xx and REFUSED_STREAM',
      (session, id) => {
        session.headers(id, [[':status', '103']], 0);
        session.reset(id, 7);
      },
    ],
  ];
  for (const [what, play] of moves) {
    test(`after ${what}`, async (t) => {
      const engine = await sessionsWith(t, (session, number) => serve(session, number === 0 ? { '/move': play } : {}));
      const { gateway, client, stillServes } = await stage(t, engine);
      const { status, body, grpcStatus } = await call(await client(), grpcRequest('/move'), 'baggage');
      assert.deepEqual([status, body.toString(), grpcStatus], [200, 'baggage', 0]);
      assert.equal(engine.sessions.length, 2);
      assert.ok(gateway.count('frameway_upstream_retries_total') >= 1);
      await stillServes();
    });
  }
  test('but a call below the last id of GOAWAY finishes where it is', async (t) => {
    const stay: Play = async (session, id, frame) => {
      session.send(h2.goawayFrame(id, Code.NO_ERROR));
      await new Promise((resolve) => setTimeout(resolve, 30));
      await echo(session, id, frame);
    };
    const { client, stillServes } = await stage(t, await engineWith(t, { '/stay': stay }));
    const { body, grpcStatus } = await call(await client(), grpcRequest('/stay'), 'home');
    assert.deepEqual([body.toString(), grpcStatus], ['home', 0]);
    await stillServes();
  });
  test('but a call with more behind it than the replay buffer fails', async (t) => {
    const refuse: Play = async (session, id) => {
      await session.until(() => (session.heard(id).body.length >= 5000 ? true : undefined), 'the body');
      session.reset(id, Code.REFUSED_STREAM);
    };
    const engine = await engineWith(t, { '/large': refuse });
    const { client, stillServes } = await stage(t, engine, { limits: { replayBuffer: 1000 } });
    assert.equal((await call(await client(), grpcRequest('/large'), 'x'.repeat(5000))).grpcStatus, 14);
    assert.equal(engine.sessions[0]!.frames.filter((frame) => frame.headers).length, 1);
    await stillServes();
  });
  test('and is tried twice, not for ever', async (t) => {
    let tries = 0;
    const refuse: Play = (session, id) => {
      tries++;
      session.reset(id, Code.REFUSED_STREAM);
    };
    const { client } = await stage(t, await engineWith(t, { '/never': refuse }));
    assert.equal((await call(await client(), grpcRequest('/never'))).grpcStatus, 14);
    assert.equal(tries, 2);
  });
});

async function openTo(t: TestContext, play: Play, fields: readonly Field[], flags = 0) {
  const engine = await engineWith(t, { '/x': play });
  const { client, stillServes } = await stage(t, engine);
  const peer = await client();
  const id = peer.open(fields, flags);
  const session = await engine.session();
  const { streamId } = await session.next('HEADERS');
  return { peer, id, session, streamId, stillServes };
}

test('an engine that never answers is DEADLINE_EXCEEDED in time, and hears CANCEL', async (t) => {
  const since = performance.now();
  const { peer, id, session, streamId, stillServes } = await openTo(
    t,
    hang,
    grpcRequest('/x', ['grpc-timeout', '200m']),
  );
  const { grpcStatus } = await peer.message(id);
  const waited = performance.now() - since;
  assert.equal(grpcStatus, 4);
  assert.ok(waited >= 200 && waited < 1500, `${waited} ms`);
  assert.equal((await session.message(streamId)).reset, Code.CANCEL);
  await stillServes();
});

test('a client that goes away cancels its streams at the engine', async (t) => {
  const { peer, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
  peer.close();
  assert.equal((await session.message(streamId)).reset, Code.CANCEL);
  await stillServes();
});

test("the code of a client's reset reaches the engine", async (t) => {
  const { peer, id, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
  peer.reset(id, Code.INTERNAL_ERROR);
  assert.equal((await session.message(streamId)).reset, Code.INTERNAL_ERROR);
  await stillServes();
});

const quick: Play = (session, id) => {
  session.headers(id, OK, 0);
  session.data(id, 'enough', Flag.END_STREAM);
};

test('a request goes on after its response is complete', async (t) => {
  const { peer, id, session, streamId } = await openTo(t, quick, request('/x'));
  assert.equal((await peer.message(id)).body.toString(), 'enough');
  peer.data(id, 'more ');
  peer.data(id, 'and more', Flag.END_STREAM);
  assert.equal((await session.message(streamId)).body.toString(), 'more and more');
});

test('a request that the engine does not want to the end is reset with NO_ERROR behind the response', async (t) => {
  const enough: Play = (session, id, frame) => {
    quick(session, id, frame);
    session.reset(id, Code.NO_ERROR);
  };
  const { peer, id, stillServes } = await openTo(t, enough, request('/x'));
  assert.equal((await peer.message(id)).body.toString(), 'enough');
  const told = await peer.next((frame) => frame.type === Type.RST_STREAM && frame.streamId === id);
  assert.equal(told.errorCode, Code.NO_ERROR);
  await stillServes();
});

test('a response followed by any reset is a whole response', async (t) => {
  for (const code of [Code.NO_ERROR, Code.CANCEL, Code.INTERNAL_ERROR]) {
    const whole: Play = (session, id) => {
      session.headers(id, OK, 0);
      session.data(id, 'enough');
      session.headers(id, [['grpc-status', '0']]);
      session.reset(id, code);
    };
    const { peer, id } = await openTo(t, whole, grpcRequest('/x'));
    const { body, grpcStatus } = await peer.message(id);
    assert.deepEqual([body.toString(), grpcStatus], ['enough', 0]);
  }
});

test('informational responses do not end the waiting for the final one', async (t) => {
  const patient: Play = (session, id) => {
    session.headers(
      id,
      [
        [':status', '103'],
        ['link', '</a>'],
      ],
      0,
    );
    session.headers(id, [[':status', '102']], 0);
    session.headers(id, OK, 0);
    session.data(id, 'final', Flag.END_STREAM);
  };
  const { peer, id } = await openTo(t, patient, request('/x'), Flag.END_STREAM);
  const { status, body } = await peer.message(id);
  assert.deepEqual([status, body.toString()], [200, 'final']);
});

test('Trailers-Only stays one HEADERS frame', async (t) => {
  const fields: readonly Field[] = [
    ...OK,
    ['content-type', 'application/grpc'],
    ['grpc-status', '5'],
    ['grpc-message', 'no'],
  ];
  const { peer, id } = await openTo(t, head(fields), grpcRequest('/x'), Flag.END_STREAM);
  const { headers, grpcStatus } = await peer.message(id);
  assert.deepEqual([grpcStatus, headers['grpc-message']], [5, 'no']);
  assert.equal(peer.frames.filter((frame) => frame.streamId === id && frame.type === Type.HEADERS).length, 1);
});

test('frames from the engine on a stream that we reset are ignored, and its header blocks still count', async (t) => {
  const { peer, id, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
  peer.reset(id, Code.CANCEL);
  await session.message(streamId);
  session.headers(streamId, [...OK, ['x-late', 'table']], 0);
  session.data(streamId, 'late');
  session.headers(streamId, [['x-late', 'table']]);
  await stillServes();
  assert.ok(!session.frames.some((frame) => frame.type === Type.GOAWAY));
});
