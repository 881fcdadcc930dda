import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startAdmin, type Source } from '../../src/control/admin.ts';
import { Counters, Layout } from '../../src/counters.ts';

const layout = new Layout();
const calls = layout.counter('calls_total', 'Calls');
const counters = new Counters(layout, { listener: 'main' });
counters.add(calls, 3);
const ready: Source = { ready: () => ({ ok: true }), counters: () => [counters] };

async function withAdmin(source: Source, use: (url: string, port: number) => Promise<void>): Promise<void> {
  const admin = await startAdmin({ host: '127.0.0.1', port: 0 }, source, '1.2.3');
  try {
    await use(`http://${admin.address}`, Number(admin.address.split(':')[1]));
  } finally {
    await admin.close();
  }
}

test('health and readiness are told', () =>
  withAdmin(ready, async (url) => {
    const health = await fetch(`${url}/healthz`);
    assert.deepEqual([health.status, await health.json()], [200, { status: 'alive' }]);
    const readiness = await fetch(`${url}/readyz?verbose`);
    assert.deepEqual([readiness.status, await readiness.json()], [200, { ready: true }]);
  }));

test('a gateway that is not ready says why, and still lives', () =>
  withAdmin({ ...ready, ready: () => ({ ok: false, reason: 'draining' }) }, async (url) => {
    const readiness = await fetch(`${url}/readyz`);
    assert.deepEqual([readiness.status, await readiness.json()], [503, { ready: false, reason: 'draining' }]);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  }));

test('metrics come in the text format', () =>
  withAdmin(ready, async (url) => {
    const response = await fetch(`${url}/metrics`);
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    assert.match(text, /^calls_total\{listener="main"\} 3$/m);
    assert.match(text, /^frameway_build_info\{version="1\.2\.3"\} 1$/m);
  }));

test('HEAD gets the headers alone', () =>
  withAdmin(ready, async (url) => {
    const response = await fetch(`${url}/healthz`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.ok(Number(response.headers.get('content-length')) > 0);
    assert.equal(await response.text(), '');
  }));

test('other paths are not found, and other methods are not allowed', () =>
  withAdmin(ready, async (url) => {
    assert.equal((await fetch(`${url}/`)).status, 404);
    const post = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  }));

test('a source that throws is answered with 500, and the next request is served', () =>
  withAdmin(
    {
      ...ready,
      counters: () => {
        throw new Error('boom');
      },
    },
    async (url) => {
      assert.equal((await fetch(`${url}/metrics`)).status, 500);
      assert.equal((await fetch(`${url}/healthz`)).status, 200);
    },
  ));

test('rubbish, endless headers and resets harm nobody', () =>
  withAdmin(ready, async (url, port) => {
    for (const text of ['\u0000\u0001\r\n\r\n', `GET / HTTP/1.1\r\nx: ${'y'.repeat(9000)}\r\n\r\n`]) {
      const socket = connect(port, '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
      socket.write(text);
      await once(socket, 'close');
      assert.match(answer, /^HTTP\/1\.1 4/);
    }
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.resetAndDestroy();
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  }));

test('an address that is taken is named', () =>
  withAdmin(ready, async (_url, port) => {
    await assert.rejects(startAdmin({ host: '127.0.0.1', port }, ready, ''), {
      message: `admin: cannot listen on 127.0.0.1:${port}: the address is already in use`,
    });
  }));

test('closing does not wait for idle connections', async () => {
  const admin = await startAdmin({ host: '127.0.0.1', port: 0 }, ready, '');
  const socket = connect(Number(admin.address.split(':')[1]), '127.0.0.1');
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined).resume();
  await admin.close();
  await closed;
});
