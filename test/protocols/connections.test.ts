/** HTTP/1.1 connections on both sides: kept alive, shared, pipelined, lost and tried again. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../edge/eventually.ts';
import { h2call, http1, http2 } from './clients.ts';
import { pattern, webEngine } from './engines.ts';
import { stage, type Plan } from './stage.ts';
import { OK, Wire, answeringEngine, values, wireEngine } from './wire.ts';

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const web = (at: string, more = {}): Plan['upstreams'] => ({ web: { at, protocol: 'http1', ...more } });

test('a kept connection serves call after call, and one connection to the engine is enough for them', async (t) => {
  const engine = await webEngine(t);
  const { port, gateway, settled } = await stage(t, { upstreams: web(engine.address) });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (let i = 0; i < 50; i++) {
    const body = i % 3 === 0 ? pattern(i * 100) : undefined;
    const call = { agent, path: `/${i}`, method: body ? 'POST' : 'GET' };
    assert.equal((await http1(port, body ? { ...call, body } : call)).status, 200);
  }
  assert.deepEqual([engine.accepted, gateway.count('frameway_downstream_connections_total')], [1, 1]);
  agent.destroy();
  await settled();
  assert.equal(gateway.count('frameway_upstream_sessions'), 1);
});

test('calls of many HTTP/2 streams share as many connections as are allowed, each with one call at a time', async (t) => {
  let now = 0;
  let most = 0;
  const engine = await webEngine(t, (request, response) => {
    most = Math.max(most, ++now);
    setTimeout(() => {
      now--;
      response.end(request.url);
    }, 5);
  });
  const { port } = await stage(t, { upstreams: web(engine.address, { maxConnections: 4 }) });
  const session = await http2(t, port);
  const answers = await Promise.all(
    Array.from({ length: 90 }, (_, i) => h2call(session, { headers: { ':path': `/${i}` } })),
  );
  answers.forEach((answer, i) => assert.equal(answer.body.toString(), `/${i}`));
  assert.deepEqual([most, engine.accepted], [4, 4]);
});

test('an engine that closes after each answer gets a connection for each call', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
    wire.finish();
  });
  const { port, gateway } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  for (let i = 0; i < 5; i++) {
    wire.send(get(`/${i}`));
    const answer = await wire.message();
    assert.equal(answer.body.toString(), 'ok');
    assert.ok(!values(answer, 'connection').includes('close'), "the engine's close is not the client's");
  }
  assert.equal(engine.wires.length, 5);
  assert.equal(gateway.count('frameway_failures_total'), 0);
});

test('a body that ends with its connection is chunked for HTTP/1.1, and ends a stream of HTTP/2', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    setTimeout(() => wire.finish(), 50);
  });
  const { port } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  for (let i = 0; i < 2; i++) {
    wire.send(get('/'));
    const answer = await wire.message();
    assert.deepEqual([answer.body.toString(), values(answer, 'transfer-encoding')], ['until the end', ['chunked']]);
  }
  assert.equal((await h2call(await http2(t, port))).body.toString(), 'until the end');
  const old = await Wire.connect(t, port);
  old.send('GET / HTTP/1.0\r\n\r\n');
  assert.ok((await old.end()).rest.endsWith('\r\n\r\nuntil the end'), old.text);
});

test('pipelined requests are answered in their order, each once', async (t) => {
  const engine = await webEngine(t, (request, response) => {
    // The sooner asked, the later answered.
    setTimeout(() => response.end(request.url), 40 - Number(request.url!.slice(1)) * 2);
  });
  const { port, settled } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  const count = 20;
  wire.send(Array.from({ length: count }, (_, i) => get(`/${i}`)).join(''));
  for (let i = 0; i < count; i++) assert.equal((await wire.message()).body.toString(), `/${i}`);
  wire.finish();
  await wire.end();
  assert.deepEqual(engine.seen.map(({ url }) => url).sort(), Array.from({ length: count }, (_, i) => `/${i}`).sort());
  await settled();
});

test('pipelined requests with bodies keep their borders, cut anywhere', async (t) => {
  const engine = await webEngine(t);
  const { port } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  const one =
    'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc' +
    'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n3\r\ncde\r\n0\r\nx-t: 1\r\n\r\n' +
    get('/c');
  await wire.dribble(Buffer.from(one));
  const bodies: string[] = [];
  for (let i = 0; i < 3; i++) bodies.push((await wire.message()).body.toString());
  assert.deepEqual(bodies, ['POST /a 3', 'POST /b 5', 'GET /c 0']);
});

test('no more is read ahead than the pipeline buffer holds', async (t) => {
  const gate: { open: () => void } = { open: () => undefined };
  const opened = new Promise<void>((resolve) => (gate.open = resolve));
  const engine = await webEngine(t, (_request, response) => void opened.then(() => response.end('ok')));
  const { port } = await stage(t, { upstreams: web(engine.address), limits: { pipelineBuffer: 16 * 1024 } });
  const wire = await Wire.connect(t, port);
  const request = get('/', `X-Pad: ${'x'.repeat(1000)}\r\n`);
  let left = 0;
  const count = 12_000;
  const write = async (): Promise<void> => {
    for (; left < count; left++) {
      if (!wire.socket.write(request)) await new Promise((resolve) => wire.socket.once('drain', resolve));
    }
  };
  const written = write();
  await sleep(500);
  assert.ok(left < count, 'all twelve megabytes of requests were taken');
  gate.open();
  await written;
  for (let i = 0; i < count; i++) assert.match((await wire.message()).start, / 200 /);
});

test('an HTTP/1.0 client is answered and closed, or kept if it asks for it', async (t) => {
  const engine = await webEngine(t);
  const { port } = await stage(t, { upstreams: web(engine.address) });
  const plain = await Wire.connect(t, port);
  plain.send('GET /a HTTP/1.0\r\n\r\n');
  const { how, rest } = await plain.end();
  assert.equal(how, 'fin');
  assert.ok(rest.endsWith('GET /a 0'), rest);
  const kept = await Wire.connect(t, port);
  kept.send('GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  const first = await kept.message();
  assert.equal(first.body.toString(), 'GET /b 0');
  if (kept.ended === null && values(first, 'connection').join().toLowerCase() === 'keep-alive') {
    kept.send('GET /c HTTP/1.0\r\n\r\n');
    assert.equal((await kept.message()).body.toString(), 'GET /c 0');
  }
  assert.equal((await kept.end()).how, 'fin');
  assert.ok(
    engine.seen.every(({ version }) => version === '1.1'),
    'the engine hears HTTP/1.1',
  );
});

test('FIN after a complete request does not cancel it', async (t) => {
  const engine = await webEngine(t, (_request, response) => setTimeout(() => response.end('late'), 200));
  const { port, settled, gateway } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  wire.send(get('/'));
  wire.finish();
  assert.equal((await wire.message()).body.toString(), 'late');
  assert.equal((await wire.end()).how, 'fin');
  await settled();
  assert.equal(gateway.count('frameway_failures_total'), 0);
});

test('FIN within a request is no request', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send(OK);
  });
  const { port, settled } = await stage(t, { upstreams: web(engine.address) });
  for (const part of ['GET / HTTP/1.1\r\nHo', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello']) {
    const wire = await Wire.connect(t, port);
    wire.send(part);
    wire.finish();
    const { rest } = await wire.end();
    assert.ok(rest === '' || rest.startsWith('HTTP/1.1 400 '), rest);
  }
  await settled();
  for (const wire of engine.wires) {
    await eventually(
      () => wire.total === 0 || wire.ended !== null,
      () => 'the engine waits for the rest of a body that will not come',
    );
  }
});

test('RST cancels the call at the engine, whether it came at once or later', async (t) => {
  for (const delay of [0, 150]) {
    const engine = await wireEngine(t);
    const { port, settled, gateway } = await stage(t, { upstreams: web(engine.address) });
    const wire = await Wire.connect(t, port);
    wire.send(get('/'));
    await eventually(
      () => engine.wires[0]?.text.includes('\r\n\r\n') === true,
      () => 'the engine has no request',
    );
    await sleep(delay);
    wire.reset();
    await engine.wires[0]!.end();
    await settled();
    assert.equal(gateway.exchanges[0]!.failure?.cause, 'client_gone');
  }
});

test('an RST on the heels of a request leaves nothing open', async (t) => {
  const engine = await wireEngine(t);
  const { port, settled } = await stage(t, { upstreams: web(engine.address, { maxConnections: 100 }) });
  for (let i = 0; i < 20; i++) {
    const wire = await Wire.connect(t, port);
    wire.send(get('/'));
    wire.reset();
  }
  await settled();
});

test('an RST that comes after a FIN cancels the call, too', async (t) => {
  const engine = await wireEngine(t);
  const { port, settled } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  wire.send(get('/'));
  wire.finish();
  await eventually(
    () => engine.wires[0]?.text.includes('\r\n\r\n') === true,
    () => 'the engine has no request',
  );
  await sleep(100);
  wire.reset();
  await engine.wires[0]!.end();
  await settled();
});

test('RST while the response runs cancels it at the engine', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello');
  });
  const { port, settled } = await stage(t, { upstreams: web(engine.address) });
  const wire = await Wire.connect(t, port);
  wire.send(get('/'));
  await wire.upTo('hello');
  wire.reset();
  await engine.wires[0]!.end();
  await settled();
});

/** An engine that ends its first connection as soon as the second request is on its way, unanswered. */
const forgetful = (t: TestContext, how: 'fin' | 'rst') =>
  wireEngine(t, async (wire, number) => {
    for (let i = 0; ; i++) {
      await wire.message();
      if (number === 0 && i === 1) {
        if (how === 'fin') wire.socket.end();
        else wire.reset();
        return;
      }
      wire.send(OK);
    }
  });

for (const how of ['fin', 'rst'] as const) {
  test(`a kept connection that ends by ${how} under an idempotent request is tried again, under POST it is not`, async (t) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH']) {
      const engine = await forgetful(t, how);
      const { port } = await stage(t, { upstreams: web(engine.address) });
      assert.equal((await http1(port)).status, 200);
      const body = ['PUT', 'POST', 'PATCH'].includes(method) ? { body: 'payload' } : {};
      const { status } = await http1(port, { method, ...body });
      const idempotent = method !== 'POST' && method !== 'PATCH';
      assert.equal(status < 300, idempotent, `${method}: ${status}`);
      assert.equal(engine.wires.length, idempotent ? 2 : 1, method);
      if (!idempotent) assert.ok(status >= 500, `${status}`);
    }
  });
}

test('a connection that its engine closes while idle is not used again', async (t) => {
  const engine = await webEngine(t, undefined, 100);
  const { port, gateway } = await stage(t, { upstreams: web(engine.address) });
  for (let i = 0; i < 3; i++) {
    assert.equal((await http1(port, { method: 'POST', body: 'x' })).status, 200);
    await sleep(1300);
  }
  assert.equal(gateway.count('frameway_failures_total'), 0);
  assert.equal(gateway.count('frameway_retries_total'), 0);
  assert.equal(engine.accepted, 3);
});

test('what an engine says unasked is never the answer to the next call', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send(OK, 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await wire.message();
    wire.send(OK);
  });
  const { port } = await stage(t, { upstreams: web(engine.address) });
  for (let i = 0; i < 3; i++) {
    assert.equal((await http1(port)).body.toString(), 'ok');
    await sleep(30);
  }
});

test('requests of strangers never mix on the connections that they share', async (t) => {
  const engine = await answeringEngine(t, ({ start, fields }) => {
    const text = `${start} ${values({ fields }, 'x-me').join()}`;
    return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  });
  const { port } = await stage(t, { upstreams: web(engine.address, { maxConnections: 3 }) });
  await Promise.all(
    Array.from({ length: 10 }, async (_, me) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      for (let i = 0; i < 20; i++) {
        const { body } = await http1(port, { agent, path: `/${me}/${i}`, headers: { 'x-me': `${me}` } });
        assert.equal(body.toString(), `GET /${me}/${i} HTTP/1.1 ${me}`);
      }
    }),
  );
  assert.equal(engine.wires.length, 3);
});
