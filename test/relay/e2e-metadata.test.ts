import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { describe, test, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { gatewayTo, grpcClient, grpcEngine, statusOf, unary, type Methods } from '../edge/grpc-peers.ts';

const metadata = (...fields: readonly (readonly [string, string | Buffer])[]): grpc.Metadata => {
  const all = new grpc.Metadata();
  for (const [name, value] of fields) all.add(name, value);
  return all;
};
async function through(t: TestContext, methods: Methods) {
  const engine = await grpcEngine(t, methods);
  const { port } = await gatewayTo(t, engine);
  return { client: grpcClient(t, port), port };
}

const BINARY = Buffer.from([0, 255, 10, 13, 44, 128, 61]);
const FIELDS = metadata(
  ['x-plain', 'text with spaces, and commas'],
  ['x-many', 'one'],
  ['x-many', 'two'],
  ['x-one-bin', BINARY],
  ['x-two-bin', Buffer.alloc(0)],
  ['x-long', 'y'.repeat(3000)],
  ['authorization', 'Bearer secret'],
);
const same = (got: grpc.Metadata): void => {
  for (const name of ['x-plain', 'x-many', 'x-one-bin', 'x-two-bin', 'x-long', 'authorization']) {
    // Node joins repeated fields, which means the same.
    const text = (fields: grpc.Metadata): string => fields.get(name).map(String).join(', ');
    assert.equal(text(got), text(FIELDS), name);
  }
  assert.deepEqual(got.get('x-one-bin'), [BINARY]);
};

test('metadata crosses both ways as it is, binary and repeated', async (t) => {
  let seen = new grpc.Metadata();
  const { client } = await through(t, {
    unary: (call, done) => {
      seen = call.metadata;
      call.sendMetadata(FIELDS);
      done(null, call.request, FIELDS);
    },
  });
  const { metadata: head, status } = await unary(client, Buffer.from('x'), FIELDS);
  assert.equal(status.code, grpc.status.OK);
  for (const fields of [seen, head, status.metadata]) same(fields);
});

test('metadata of one call is not seen in another', async (t) => {
  const { client } = await through(t, {
    unary: ({ metadata: fields }, done) => done(null, Buffer.from(fields.get('x-who').join())),
  });
  const replies = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      unary(client, Buffer.alloc(0), i % 2 ? metadata(['x-who', `${i}`]) : undefined),
    ),
  );
  assert.deepEqual(
    replies.map(({ reply }) => reply!.toString()),
    replies.map((_, i) => (i % 2 ? `${i}` : '')),
  );
});

describe('a failure keeps its status, its message and its details', () => {
  const details = 'мікрофон вимкнено 100 % – 静か\n"quoted"';
  const failure = {
    code: grpc.status.FAILED_PRECONDITION,
    details,
    metadata: metadata(['grpc-status-details-bin', BINARY]),
  };
  const check = (status: grpc.StatusObject): void => {
    assert.deepEqual([status.code, status.details], [failure.code, details]);
    assert.deepEqual(status.metadata.get('grpc-status-details-bin'), [BINARY]);
  };
  test('before the response', async (t) => {
    const { client, port } = await through(t, { unary: (_, done) => done(failure) });
    check((await unary(client, Buffer.from('x'))).status);

    const session = http2.connect(`http://127.0.0.1:${port}`);
    t.after(() => session.destroy());
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test.Bytes/Unary',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(Buffer.alloc(5));
    const [fields, flags] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders, number];
    assert.equal(fields['grpc-status'], String(failure.code));
    assert.equal(flags & http2.constants.NGHTTP2_FLAG_END_STREAM, 1, 'Trailers-Only is no longer alone');
    stream.resume();
  });
  test('after some messages', async (t) => {
    const { client } = await through(t, {
      download: (call) => {
        call.write(Buffer.from('one'));
        call.emit('error', failure);
      },
    });
    const call = client.download(Buffer.from('x'));
    const messages: string[] = [];
    call.on('data', (message: Buffer) => messages.push(message.toString()));
    check(await statusOf(call));
    assert.deepEqual(messages, ['one']);
  });
  test('whatever its code', async (t) => {
    const codes = Object.values(grpc.status).filter((code) => typeof code === 'number' && code !== grpc.status.OK);
    const { client } = await through(t, {
      unary: ({ request }, done) => {
        const code = codes.find((one) => one === request[0]) as grpc.status;
        done({ code, details: `code ${code}` });
      },
    });
    assert.equal(codes.length, 16);
    for (const code of codes) {
      const { status } = await unary(client, Buffer.of(code));
      assert.deepEqual([status.code, status.details], [code, `code ${code}`]);
    }
  });
});

test('a method that the engine does not have is UNIMPLEMENTED', async (t) => {
  const { client } = await through(t, {});
  assert.equal((await unary(client, Buffer.from('x'))).status.code, grpc.status.UNIMPLEMENTED);
});
