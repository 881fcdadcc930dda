import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { ErrorCode } from '../../src/errors.ts';
import type { Failure } from '../../src/errors.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';
import type { Caller, Carrier, Half } from '../../src/relay/half.ts';
import { ForwardProxy } from '../../src/tunnel/forward-proxy.ts';
import type { Lookup } from '../../src/tunnel/forward-proxy.ts';
import { dial, drink, sleep, until } from '../io/wire.ts';
import { deaf } from '../support/deaf.ts';
import { closed, connectTo, ending, gateway, serve, World } from './stage.ts';

/** Someone who wants a tunnel, and what came of it. */
class Asking implements Caller {
  readonly head;
  readonly client = '127.0.0.1';
  place: unknown = null;
  outcome: string | null = null;
  half: Half | null = null;
  /** Takes what it gets. */
  private readonly takes: boolean;

  constructor(authority: string, takes = true) {
    this.head = connectTo(authority);
    this.takes = takes;
  }
  onCarrier(carrier: Carrier): void {
    this.outcome = carrier.endpoint;
    const nothing = (): void => undefined;
    const sink = { onInformational: nothing, onHead: nothing, onData: nothing, onTrailers: nothing };
    if (!this.takes) return;
    this.half = carrier.open(this.head, false, { ...sink, onSent: nothing, onFailed: nothing, onAborted: nothing });
  }
  onUnavailable(failure: Failure): void {
    assert.equal(this.outcome, null, 'told twice');
    this.outcome = failure.cause;
  }
  async answered(): Promise<string> {
    await until(() => this.outcome !== null, 'an answer');
    return this.outcome!;
  }
}

/** Names of a test, and how often they were looked up. */
class Names {
  readonly asked: string[] = [];
  readonly lookup: Lookup;

  constructor(names: Readonly<Record<string, readonly (readonly string[])[]>>) {
    this.lookup = (name) => {
      const answers = names[name];
      const nth = this.asked.filter((asked) => asked === name).length;
      this.asked.push(name);
      return answers === undefined
        ? Promise.reject(new Error('ENOTFOUND'))
        : Promise.resolve(answers[nth] ?? answers.at(-1)!);
    };
  }
}

function proxyTo(t: TestContext, allow: readonly string[], names = new Names({}), world = new World()): ForwardProxy {
  const proxy = new ForwardProxy({ allow }, world, 2000, names.lookup);
  t.after(() => proxy.close());
  return proxy;
}
async function ask(proxy: ForwardProxy, authority: string): Promise<string> {
  const caller = new Asking(authority);
  assert.equal(proxy.acquire(caller), null);
  const outcome = await caller.answered();
  caller.half?.reset(ErrorCode.CANCEL);
  return outcome;
}

/** A port on which nobody listens. */
async function unused(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('a name that is listed may stand for any address', async (t) => {
  const port = await serve(t, () => undefined);
  const names = new Names({ 'asr.example': [['127.0.0.1']] });
  assert.equal(await ask(proxyTo(t, [`asr.example:${port}`], names), `asr.example:${port}`), `127.0.0.1:${port}`);
});

test('a name that is not listed is worth its addresses', async (t) => {
  const port = await serve(t, () => undefined);
  const names = new Names({ inside: [['127.0.0.1']], outside: [['127.0.0.2']], both: [['127.0.0.2', '127.0.0.1']] });
  const proxy = proxyTo(t, ['127.0.0.1/32:*'], names);
  assert.equal(await ask(proxy, `inside:${port}`), `127.0.0.1:${port}`);
  assert.equal(await ask(proxy, `outside:${port}`), 'forbidden');
  assert.equal(await ask(proxy, `both:${port}`), `127.0.0.1:${port}`, 'only the allowed one is tried');
});

test('a name that no entry could allow is not even looked up', async (t) => {
  const names = new Names({ secret: [['127.0.0.1']] });
  const proxy = proxyTo(t, ['asr.example:443', '127.0.0.0/8:443'], names);
  assert.equal(await ask(proxy, 'secret:80'), 'forbidden');
  assert.deepEqual(names.asked, []);
});

test('an address is judged as it is, in whatever form it is written', async (t) => {
  const port = await serve(t, () => undefined);
  const proxy = proxyTo(t, [`127.0.0.1:${port}`]);
  assert.equal(await ask(proxy, `127.0.0.1:${port}`), `127.0.0.1:${port}`);
  assert.equal(await ask(proxy, `[::ffff:7f00:1]:${port}`), `127.0.0.1:${port}`);
  assert.equal(await ask(proxy, `127.0.0.2:${port}`), 'forbidden');
  assert.equal(await ask(proxy, `127.0.0.1:${port + 1}`), 'forbidden');
});

test('what was judged is what is dialled: a name that changes its mind meanwhile gains nothing', async (t) => {
  let reached = 0;
  const port = await serve(t, () => (reached += 1), '127.0.0.2');
  const names = new Names({ rebind: [['127.0.0.1'], ['127.0.0.2']] });
  const proxy = proxyTo(t, ['127.0.0.1:*'], names);
  assert.equal(await ask(proxy, `rebind:${port}`), 'connect_refused');
  assert.deepEqual([names.asked, reached], [['rebind'], 0]);
  assert.equal(await ask(proxy, `rebind:${port}`), 'forbidden');
  assert.equal(reached, 0);
});

test('addresses are tried one after the other, and no more than four', async (t) => {
  const port = await serve(t, () => undefined, '127.0.0.1');
  const dead = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
  const names = new Names({ third: [[...dead.slice(0, 2), '127.0.0.1']], fifth: [[...dead, '127.0.0.1']] });
  const proxy = proxyTo(t, ['*'], names);
  assert.equal(await ask(proxy, `third:${port}`), `127.0.0.1:${port}`);
  assert.equal(await ask(proxy, `fifth:${port}`), 'connect_refused');
});

describe('who gets no tunnel is told why', () => {
  test('the authority is none', async (t) => {
    for (const authority of ['', 'asr.example', '127.0.0.1:0', '127.1:80'])
      assert.equal(await ask(proxyTo(t, ['*']), authority), 'malformed_request', authority);
  });
  test('nobody listens', async (t) => {
    assert.equal(await ask(proxyTo(t, ['*']), `127.0.0.1:${await unused()}`), 'connect_refused');
  });
  test('the name is not known, or has no address', async (t) => {
    const proxy = proxyTo(t, ['*'], new Names({ empty: [[]] }));
    assert.equal(await ask(proxy, 'unknown:80'), 'no_endpoint');
    assert.equal(await ask(proxy, 'empty:80'), 'no_endpoint');
  });
});

/** A world whose timers run when told to. */
class Clocked extends World {
  time = 1000;
  override readonly wheel = new TimerWheel(() => this.time, () => undefined, assert.ifError); // prettier-ignore
  pass(ms: number): void {
    this.time += ms;
    this.wheel.advance();
  }
}

describe('an answer that does not come in time', () => {
  test('of an address: the next is tried', async (t) => {
    const { address } = await deaf(t);
    const port = Number(address.split(':')[1]);
    const world = new Clocked();
    const other = await serveAt(t, port, '127.0.0.2');
    const names = new Names({ twice: [['127.0.0.1', '127.0.0.2']], once: [['127.0.0.1']] });
    const proxy = proxyTo(t, ['*'], names, world);
    const [twice, once] = [new Asking(`twice:${port}`), new Asking(`once:${port}`)];
    proxy.acquire(twice);
    proxy.acquire(once);
    await sleep(20);
    world.pass(1990);
    assert.deepEqual([twice.outcome, once.outcome], [null, null]);
    world.pass(20);
    assert.equal(await twice.answered(), `127.0.0.2:${port}`);
    assert.equal(once.outcome, 'connect_timeout');
    assert.equal(other.length, 1);
    await until(() => proxy.connections.size === 1, 'the sockets that were given up to be closed');
  });
  test('of the resolver', async (t) => {
    const world = new Clocked();
    let resolve: (addresses: string[]) => void;
    const proxy = new ForwardProxy({ allow: ['*'] }, world, 2000, () => new Promise((yes) => (resolve = yes)));
    t.after(() => proxy.close());
    const caller = new Asking('slow:80');
    proxy.acquire(caller);
    world.pass(2010);
    assert.equal(caller.outcome, 'connect_timeout');
    resolve!(['127.0.0.1']);
    await sleep(5);
    assert.equal(proxy.connections.size, 0);
  });
});

/** Sockets accepted at this very address. */
async function serveAt(t: TestContext, port: number, host: string): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

test('who no longer waits is not called, and leaves no socket', async (t) => {
  const { address } = await deaf(t);
  const proxy = proxyTo(t, ['*'], new Names({ name: [['127.0.0.1']] }));
  const [dialling, resolving] = [new Asking(address), new Asking(`name:${address.split(':')[1]!}`)];
  proxy.acquire(dialling);
  proxy.acquire(resolving);
  proxy.cancel(dialling);
  proxy.cancel(resolving);
  proxy.cancel(resolving);
  await until(() => proxy.connections.size === 0 && proxy.dials.size === 0);
  await sleep(20);
  assert.deepEqual([dialling.outcome, resolving.outcome, proxy.connections.size], [null, null, 0]);
});

test('a caller that does not take its tunnel leaves no socket', async (t) => {
  const sockets: Socket[] = [];
  const port = await serve(t, (socket) => void sockets.push(socket));
  const proxy = proxyTo(t, ['*']);
  const caller = new Asking(`127.0.0.1:${port}`, false);
  proxy.acquire(caller);
  assert.equal(await caller.answered(), `127.0.0.1:${port}`);
  await until(() => proxy.connections.size === 0);
  await until(() => sockets.length === 1);
});

test('closing cuts every tunnel, and tells those who wait', async (t) => {
  const { address } = await deaf(t);
  const world = new World();
  const sockets: Socket[] = [];
  const port = await serve(t, (socket) => void sockets.push(socket));
  const proxy = proxyTo(t, ['*'], new Names({}), world);
  const client = await dial(t, await gateway(t, world, proxy, `127.0.0.1:${port}`));
  await until(() => sockets.length === 1);
  const waiting = new Asking(address);
  proxy.acquire(waiting);
  const endings = [ending(sockets[0]!), ending(client)];
  proxy.close();
  assert.equal(waiting.outcome, 'draining');
  assert.deepEqual(await Promise.all(endings), ['RST', 'RST']);
  await until(() => proxy.connections.size === 0 && proxy.dials.size === 0);
  assert.deepEqual(world.causes, ['session_lost']);
});

test('a whole exchange: from a name to its echo and back, and the end of both', async (t) => {
  const world = new World();
  const port = await serve(t, (socket) => void socket.pipe(socket));
  const proxy = proxyTo(t, ['*.example:*'], new Names({ 'echo.example': [['127.0.0.1']] }), world);
  const client = await dial(t, await gateway(t, world, proxy, `echo.example:${port}`));
  client.end('hello');
  assert.equal((await drink(client)).toString(), 'hello');
  await closed(client);
  await until(() => proxy.connections.size === 0);
  const [record] = world.exchanges;
  assert.deepEqual(
    [record!.method, record!.authority, record!.upstream, record!.endpoint, record!.httpStatus, record!.failure],
    ['CONNECT', `echo.example:${port}`, 'connect', `127.0.0.1:${port}`, 200, null],
  );
});

test('a destination that is forbidden is told of in the log, and never connected to', async (t) => {
  const world = new World();
  let reached = 0;
  const port = await serve(t, () => (reached += 1));
  const client = await dial(t, await gateway(t, world, proxyTo(t, ['asr.example:443']), `127.0.0.1:${port}`));
  assert.equal((await drink(client)).length, 0);
  await until(() => world.exchanges.length === 1);
  assert.deepEqual([world.causes, reached], [['forbidden'], 0]);
});
