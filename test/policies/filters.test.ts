/** Filters of a program that embeds the gateway. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Failures } from '../../src/gateway.ts';
import type { Call, Filter, Refusal } from '../../src/gateway.ts';
import { makeField } from '../../src/hpack/field.ts';
import { authSpec, sha256 } from '../filter/stage.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { h2Engine } from '../protocols/engines.ts';
import { ensemble } from './ensemble.ts';
import { grpcWeb, opened, rpc, websocket } from './peers.ts';
import { stage } from './stage.ts';

class Recorder implements Filter {
  readonly name = 'recorder';
  readonly begun: Call[] = [];
  readonly over: Call[] = [];
  refusal: Refusal | null = null;
  check(call: Call): Refusal | null {
    if (this.refusal !== null) return this.refusal;
    this.begun.push(call);
    return null;
  }
  ended(call: Call): void {
    this.over.push(call);
  }
}

const KEYS = { keys: authSpec({ jwt: null, apiKeys: [{ name: 'bob', sha256: sha256('k') }] }) };

describe('a filter of an embedding program', () => {
  test('is asked of every request after those that are configured, and hears of each end once', async (t) => {
    const filter = new Recorder();
    const { port, settled } = await ensemble(t, { auth: 'keys' }, { auth: KEYS, filters: [filter] });
    const headers = { 'x-api-key': 'k' };
    assert.equal((await http1(port)).status, 401);
    assert.equal(filter.begun.length, 0);
    await http1(port, { headers });
    await rpc(t, port, headers);
    await grpcWeb(port, headers);
    const socket = await opened(t, port, headers);
    assert.equal(filter.over.length, 3);
    socket.terminate();
    await once(socket, 'close');
    await settled(1);
    assert.deepEqual(
      filter.begun.map(({ identity, client }) => [identity?.name, client]),
      Array.from({ length: 4 }, () => ['bob', '127.0.0.1']),
    );
    assert.deepEqual(new Set(filter.over), new Set(filter.begun));
    assert.equal(filter.over.length, 4);
  });
  test('refuses in the words of the failure table, to each protocol in its own', async (t) => {
    const filter = new Recorder();
    filter.refusal = { failure: Failures.rateLimited, retryAfter: 4200 };
    const { port, web, ws, calls } = await ensemble(t, {}, { filters: [filter] });
    const { status, headers } = await http1(port);
    assert.deepEqual([status, headers['retry-after']], [429, '5']);
    const { code, metadata } = (await rpc(t, port)).status;
    assert.deepEqual([code, metadata.get('grpc-retry-pushback-ms')], [8, ['4200']]);
    assert.equal((await grpcWeb(port)).fields['grpc-retry-pushback-ms'], '4200');
    const refused = await websocket(t, port);
    assert.equal('status' in refused ? refused.status : 101, 429);
    assert.deepEqual([filter.over.length, web.accepted, ws.accepted, calls.length], [0, 0, 0, 0]);
  });
  test('may change what goes to the engine, and say who asks', async (t) => {
    const modern = await h2Engine(t);
    const filter: Filter = {
      name: 'namer',
      check(call) {
        call.identity = { name: 'eve', claims: {} };
        call.head.fields = [...call.head.fields, makeField('x-eve', 'yes')];
        return null;
      },
    };
    const { port, line } = await stage(t, {
      upstreams: { modern: { at: modern.address } },
      listeners: [{ upstream: 'modern' }],
      filters: [filter],
    });
    assert.equal((await h2call(await http2(t, port))).status, 200);
    assert.equal(modern.seen[0]!.headers['x-eve'], 'yes');
    assert.equal((await line(0)).identity, 'eve');
  });
  test('is asked of what is redirected, answered here or goes nowhere', async (t) => {
    const filter = new Recorder();
    const { port, settled } = await stage(t, {
      upstreams: { nobody: { at: '127.0.0.1:1' } },
      routes: [
        {
          match: { path: { kind: 'exact', value: '/here' } },
          action: { kind: 'respond', status: 200, body: 'x', contentType: 'text/plain' },
        },
        { match: { path: { kind: 'exact', value: '/dead' } } },
      ],
      filters: [filter],
    });
    for (const [path, status] of [
      ['/here', 200],
      ['/nowhere', 404],
    ] as const)
      assert.equal((await http1(port, { path })).status, status);
    assert.ok((await http1(port, { path: '/dead' })).status >= 500, 'answered by nobody');
    await settled();
    assert.deepEqual([filter.begun.length, filter.over.length], [3, 3]);
  });

  test('that throws costs its own request only, and what other limits counted of it is given back', async (t) => {
    const modern = await h2Engine(t);
    const filter: Filter = {
      name: 'faulty',
      check({ head }) {
        if (head.path === '/bad') throw new Error('a bug of the program that embeds the gateway');
        return null;
      },
    };
    const { port, connections } = await stage(t, {
      upstreams: { modern: { at: modern.address } },
      routes: [{ limits: { concurrency: [{ by: { source: 'all', name: '' }, max: 1 }] } }],
      filters: [filter],
      bugs: 2,
    });
    const session = await http2(t, port);
    assert.equal((await h2call(session, { headers: { ':path': '/bad' } })).status, 500);
    assert.equal((await http1(port, { path: '/bad' })).status, 500);
    assert.equal((await h2call(session)).status, 200);
    assert.equal(connections.filter(({ event }) => event === 'bug').length, 2);
  });
});
