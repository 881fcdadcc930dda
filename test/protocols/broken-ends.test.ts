/** What breaks off never looks like a clean end, whatever the two sides speak; and slow sides hold up only each other. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../edge/eventually.ts';
import { Code, engineWith, request } from '../edge/stage.ts';
import { RawClient } from '../support/raw-peer.ts';
import { http1, http2 } from './clients.ts';
import { h2Engine, pattern, webEngine } from './engines.ts';
import { stage } from './stage.ts';
import { Wire, wireEngine, type End } from './wire.ts';

const MIB = 1 << 20;

/** Engines that begin an answer and break off; the first octets of the body are `begun`. */
const BREAKS = {
  'http1 with content-length, FIN': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun');
      setTimeout(() => wire.finish(), 100);
    }),
  'http1 with content-length, RST': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun');
      setTimeout(() => wire.reset(), 100);
    }),
  'http1 chunked, FIN before the last chunk': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
      setTimeout(() => wire.finish(), 100);
    }),
  'http1 chunked, FIN within the trailers': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n0\r\nx-sum: 1\r\n');
      setTimeout(() => wire.finish(), 100);
    }),
  'http1 chunked, a chunk that is none': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
      setTimeout(() => wire.send('zz\r\n'), 100);
    }),
  'http1 until the end, RST': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\n\r\nbegun');
      setTimeout(() => wire.reset(), 100);
    }),
  'http1 until the end, RST at once': async (t: TestContext) =>
    wireEngine(t, async (wire) => {
      await wire.message();
      wire.socket.write('HTTP/1.1 200 OK\r\n\r\nbegun', () => wire.reset());
    }),
  // Node's own `close(code)` sends END_STREAM first.
  'h2 reset': (t: TestContext) =>
    engineWith(t, {
      '/': async (session, id) => {
        session.headers(id, [[':status', '200']], 0);
        session.data(id, 'begun', 0);
        await sleep(100);
        session.reset(id, Code.INTERNAL_ERROR);
      },
    }),
  'h2 connection lost': (t: TestContext) =>
    h2Engine(t, (stream) => {
      stream.respond({ ':status': 200, 'content-length': 100 });
      stream.write('begun');
      setTimeout(() => stream.session!.destroy(), 100);
    }),
} as const;

for (const [name, make] of Object.entries(BREAKS)) {
  test(`an answer that breaks off (${name}) breaks off at clients of both versions`, async (t) => {
    const { address } = await make(t);
    const protocol = name.startsWith('h2') ? 'h2' : 'http1';
    const { port, settled, gateway } = await stage(t, { upstreams: { main: { at: address, protocol } } });
    // HTTP/1.1: the message is incomplete by its own framing.
    const wire = await Wire.connect(t, port);
    wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await assert.rejects(wire.message(), /ended|reset/);
    // HTTP/1.0: only the way in which the connection ends can tell.
    const old = await Wire.connect(t, port);
    old.send('GET / HTTP/1.0\r\n\r\n');
    const { how, rest } = await old.end();
    const short = /content-length: 100/i.test(rest) || !rest.startsWith('HTTP/1.1 200');
    assert.ok(short || how === 'rst', `${how} after ${rest}`);
    // HTTP/2: a reset that is not NO_ERROR.
    const session = await http2(t, port);
    const stream = session.request({ ':path': '/' });
    const ended = new Promise<string>((resolve) => {
      stream.on('error', () => undefined);
      stream.on('close', () => resolve(`closed with ${stream.rstCode}`));
    });
    stream.resume();
    const said = await ended;
    assert.notEqual(said, 'closed with 0');
    session.close();
    wire.finish();
    await settled();
    assert.equal(gateway.exchanges.filter(({ failure }) => failure !== null).length, 3);
  });
}

/** Clients that begin a request and break off. */
const CLIENTS: Readonly<Record<string, (t: TestContext, port: number) => Promise<void>>> = {
  'http1 with content-length, FIN': async (t, port) => {
    const wire = await Wire.connect(t, port);
    wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbegun');
    await sleep(100);
    wire.finish();
  },
  'http1 chunked, FIN': async (t, port) => {
    const wire = await Wire.connect(t, port);
    wire.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
    await sleep(100);
    wire.finish();
  },
  'http1 chunked, RST': async (t, port) => {
    const wire = await Wire.connect(t, port);
    wire.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
    await sleep(100);
    wire.reset();
  },
  'http1, a chunk that is none': async (t, port) => {
    const wire = await Wire.connect(t, port);
    wire.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
    await sleep(100);
    wire.send('-1\r\n\r\n0\r\n\r\n');
  },
  'h2, RST': async (t, port) => {
    const client = await RawClient.connect(port);
    t.after(() => client.close());
    const id = client.open(request('/'));
    client.data(id, 'begun', 0);
    await sleep(100);
    client.reset(id, Code.CANCEL);
  },
  'h2, less than its content-length': async (t, port) => {
    const session = await http2(t, port);
    const stream = session.request({ ':method': 'POST', ':path': '/', 'content-length': 100 });
    stream.on('error', () => undefined);
    stream.write('begun');
    await sleep(100);
    stream.end();
  },
};

for (const [name, play] of Object.entries(CLIENTS)) {
  test(`a request that breaks off (${name}) is never whole at an engine`, async (t) => {
    const old = await wireEngine(t);
    const first = await stage(t, { upstreams: { main: { at: old.address, protocol: 'http1' } } });
    await play(t, first.port);
    await eventually(
      () => old.wires[0]?.ended !== undefined && old.wires[0].ended !== null,
      () => `the engine still waits; it has ${JSON.stringify(old.wires[0]?.text)}`,
    );
    assert.ok(!/\r\n0\r\n\r\n$/.test(old.wires[0]!.text), old.wires[0]!.text);
    assert.equal(old.wires.length, 1);
    const codes: number[] = [];
    const ends: boolean[] = [];
    const modern = await h2Engine(t, (stream) => {
      stream.on('end', () => ends.push(stream.rstCode === 0 && !stream.aborted));
      stream.on('close', () => codes.push(stream.rstCode));
      stream.resume();
    });
    const second = await stage(t, { upstreams: { main: { at: modern.address } } });
    await play(t, second.port);
    await eventually(
      () => codes.length > 0,
      () => 'the stream at the engine is still open',
    );
    assert.notEqual(codes[0], 0);
    assert.equal(ends.includes(true), false, 'it looked whole to the engine');
  });
}

/** Clients of a big answer: each gives what it has received so far, and reads on when told. */
const READERS = {
  http1: async (t: TestContext, port: number) => {
    const wire = await Wire.connect(t, port);
    wire.send('GET /?bytes=67108864 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await wire.upTo('\r\n\r\n');
    wire.socket.pause();
    return async (): Promise<End> => {
      wire.socket.removeAllListeners('data');
      wire.socket.resume();
      return (await wire.end(20_000)).how;
    };
  },
  h2: async (t: TestContext, port: number) => {
    const stream: ClientHttp2Stream = (await http2(t, port)).request({ ':path': '/?bytes=67108864' });
    await once(stream, 'response');
    return async (): Promise<End> => {
      let got = 0;
      for await (const part of stream) got += (part as Buffer).length;
      return got === 64 * MIB ? 'fin' : 'rst';
    };
  },
};

for (const client of ['http1', 'h2'] as const) {
  for (const engine of ['http1', 'h2'] as const) {
    test(`a slow ${client} client holds up its ${engine} engine and nobody else`, { timeout: 60_000 }, async (t) => {
      let written = 0;
      const block = pattern(MIB / 4);
      const pump = async (out: NodeJS.WritableStream): Promise<void> => {
        for (let i = 0; i < 256; i++) {
          await new Promise<void>((resolve) => out.write(block, () => resolve()));
          written += block.length;
        }
        out.end();
      };
      const big = (path: string): boolean => path.startsWith('/?');
      const { address } =
        engine === 'http1'
          ? await webEngine(t, (request, response) => {
              response.on('error', () => undefined);
              if (big(request.url!)) void pump(response);
              else response.end('ok');
            })
          : await h2Engine(t, (stream, headers) => {
              stream.respond({ ':status': 200 });
              if (big(headers[':path']!)) void pump(stream);
              else stream.end('ok');
            });
      const { port, gateway } = await stage(t, { upstreams: { main: { at: address, protocol: engine } } });
      const readOn = await READERS[client](t, port);
      await sleep(700);
      const stalled = written;
      await sleep(200);
      assert.equal(written, stalled);
      assert.ok(stalled < 24 * MIB, `${stalled} octets were taken from the engine`);
      assert.equal((await http1(port, { path: '/x' })).body.toString(), 'ok');
      assert.equal(await readOn(), 'fin');
      assert.equal(written, 64 * MIB);
      assert.equal(gateway.count('frameway_failures_total'), 0);
    });
  }
}

for (const engine of ['http1', 'h2'] as const) {
  test(`a slow ${engine} engine holds up its HTTP/1.1 client`, { timeout: 60_000 }, async (t) => {
    const gate: { open: () => void } = { open: () => undefined };
    const opened = new Promise<void>((resolve) => (gate.open = resolve));
    let heard = 0;
    const { address } =
      engine === 'http1'
        ? await wireEngine(t, async (wire) => {
            await wire.upTo('\r\n\r\n');
            wire.socket.pause();
            await opened;
            heard = wire.received.length;
            wire.socket.removeAllListeners('data');
            wire.socket.on('data', (part: Buffer) => {
              heard += part.length;
              if (heard === 64 * MIB) wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
            });
            wire.socket.resume();
          })
        : await h2Engine(t, (stream) => {
            void opened.then(() => {
              stream.on('data', (part: Buffer) => (heard += part.length));
              stream.on('end', () => {
                stream.respond({ ':status': 200 });
                stream.end('ok');
              });
            });
          });
    const { port } = await stage(t, { upstreams: { main: { at: address, protocol: engine } } });
    const wire = await Wire.connect(t, port);
    wire.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
    let sent = 0;
    const block = pattern(MIB / 4);
    const sending = (async (): Promise<void> => {
      while (sent < 64 * MIB) {
        await new Promise<void>((resolve) => wire.socket.write(block, () => resolve()));
        sent += block.length;
      }
    })();
    await sleep(700);
    const stalled = sent;
    await sleep(200);
    assert.equal(sent, stalled);
    assert.ok(stalled < 24 * MIB, `${stalled} octets were taken from the client`);
    gate.open();
    await sending;
    assert.equal((await wire.message()).body.toString(), 'ok');
    assert.equal(heard, 64 * MIB);
  });
}
