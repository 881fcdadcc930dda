/** Bodies of some megabytes both ways, between every pair of HTTP versions. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { digest, h2call, http1, http2, type Answer } from './clients.ts';
import { h2Engine, pattern, webEngine, type Seen } from './engines.ts';
import { stage } from './stage.ts';

const MIB = 1024 * 1024;

interface Call {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly trailers?: Readonly<Record<string, string>>;
}

const CLIENTS = {
  http1: (_t: TestContext, port: number) =>
    Promise.resolve(({ method, path, ...rest }: Call): Promise<Answer> =>
      http1(port, { method: method ?? (rest.body ? 'POST' : 'GET'), path, ...rest }),
    ),
  h2: async (t: TestContext, port: number) => {
    const session = await http2(t, port);
    return ({ method, path, headers, ...rest }: Call): Promise<Answer> =>
      h2call(session, { headers: { ...(method && { ':method': method }), ':path': path, ...headers }, ...rest });
  },
};
const ENGINES = { http1: webEngine, h2: h2Engine };

for (const client of ['http1', 'h2'] as const) {
  for (const engine of ['http1', 'h2'] as const) {
    const pair = async (t: TestContext) => {
      const { address, seen } = await ENGINES[engine](t);
      const made = await stage(t, { upstreams: { main: { at: address, protocol: engine } } });
      const call = await CLIENTS[client](t, made.port);
      const last = (): Seen => seen.at(-1)!;
      return { ...made, call, last };
    };

    test(`${client} to ${engine}: megabytes arrive whole, both ways`, async (t) => {
      const { call, last } = await pair(t);
      const body = pattern(5 * MIB);
      const answers = await Promise.all(
        [0, 1, 2].map((i) => call({ path: `/${i}?bytes=${(3 + i) * MIB + i}`, method: 'POST', body })),
      );
      answers.forEach((answer, i) => {
        assert.equal(answer.headers['x-digest'], digest(body));
        assert.equal(answer.body.length, (3 + i) * MIB + i);
        assert.equal(digest(answer.body), digest(pattern((3 + i) * MIB + i)));
      });
      assert.equal(last().body.length, body.length);
    });

    test(`${client} to ${engine}: a declared content-length is still declared, and a body without one has none`, async (t) => {
      const { call, last } = await pair(t);
      await call({ path: '/', body: Buffer.from('hello'), headers: { 'content-length': '5' } });
      assert.deepEqual([last().headers['content-length'], last().body.toString()], ['5', 'hello']);
      await call({ path: '/', body: Buffer.from('hello'), trailers: { 'x-sum': '1' }, headers: { trailer: 'x-sum' } });
      assert.equal(last().headers['content-length'], undefined);
      assert.equal(last().trailers['x-sum'], '1');
      if (engine === 'http1') assert.equal(last().headers['transfer-encoding'], 'chunked');
    });

    test(`${client} to ${engine}: a request without a body is one without a body`, async (t) => {
      const { call, last } = await pair(t);
      await call({ path: '/get' });
      assert.deepEqual(
        [last().method, last().url, last().headers['transfer-encoding'], last().headers['content-length']],
        ['GET', '/get', undefined, undefined],
      );
      const { body } = await call({ path: '/x', method: 'DELETE' });
      assert.equal(body.toString(), 'DELETE /x 0');
      assert.equal(last().headers['transfer-encoding'], undefined, 'no body was announced');
    });

    test(`${client} to ${engine}: odd methods and targets arrive as they were sent`, async (t) => {
      const { call } = await pair(t);
      for (const method of ['PUT', 'PATCH', 'PROPFIND', 'REPORT']) {
        const { body } = await call({ method, path: `/a%20b/..;x/${'y'.repeat(3000)}?q=%2F&q=&&` });
        assert.equal(body.toString(), `${method} /a%20b/..;x/${'y'.repeat(3000)}?q=%2F&q=&& 0`);
      }
    });

    test(`${client} to ${engine}: bodies of every small size keep their borders`, async (t) => {
      const { call, settled, gateway } = await pair(t);
      for (const size of [0, 1, 2, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537]) {
        const body = pattern(size);
        const answer = await call({ path: `/?bytes=${size}`, method: 'POST', body });
        assert.equal(answer.headers['x-digest'], digest(body), `request of ${size}`);
        if (size > 0) assert.equal(digest(answer.body), digest(body), `response of ${size}`);
      }
      if (client === 'http1') await settled();
      assert.equal(gateway.count('frameway_failures_total'), 0);
    });
  }
}
