/** Every key of the configuration: its type, its default, its bounds, what it means. */
import type { AuthSpec } from '../policy.ts';
import { auth } from './auth-settings.ts';
import { collide, formatAddress, leadsBack } from './address.ts';
import { DAY } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import { demoServer } from './demo-settings.ts';
import { limits } from './limit-settings.ts';
import { listen, listener } from './listener-settings.ts';
import { checkName } from './name.ts';
import { boolean, duration, oneOf, orOff } from './readers.ts';
import { checkReached } from './route-reach.ts';
import { checkCarried, route, upstreamsOf } from './route-settings.ts';
import { list, named, object, type Whole } from './schema.ts';
import { hint } from './suggest.ts';
import { checkReserved, tenants } from './tenant-settings.ts';
import { upstream } from './upstream-settings.ts';

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** What the file's values depend on. */
export interface Context {
  /** The process's memory limit, in bytes. */
  readonly memory: number;
  /** What the names of other files are relative to. */
  readonly folder: string;
}

/** The whole file. */
export const settings = ({ memory, folder }: Context) =>
  object(
    'configuration',
    {
      listeners: {
        reader: list(listener(folder), { min: 1, unique: ({ name }) => name }),
        help: 'Addresses that accept clients',
      },
      routes: {
        reader: list(route, { unique: (item) => item.name }),
        fallback: { value: [], shown: 'none' },
        help: 'What goes where: the first that matches',
      },
      upstreams: { reader: named(upstream(folder), checkName), help: 'Groups of engines' },
      auth: {
        reader: named(auth(folder), checkName),
        fallback: { value: new Map<string, AuthSpec>(), shown: 'none' },
        help: 'Ways to show who calls, for routes to refer to',
      },
      tenants: { reader: orOff(tenants), fallback: 'off', help: 'Callers that share upstreams' },
      limits: { reader: limits(memory), fallback: '', help: 'What a peer may make the gateway hold or do' },
      drain_timeout: { reader: duration(0, DAY), fallback: '30s', help: 'For open calls to end after SIGTERM' },
      log: {
        reader: object('log', {
          level: { reader: oneOf(LEVELS), fallback: 'info', help: 'Least level that is written' },
          access: { reader: boolean, fallback: 'false', help: 'One `info` line for each exchange' },
        }),
        fallback: '',
        help: 'On standard output: JSON, or short lines on a terminal',
      },
      admin: {
        reader: orOff(listen),
        fallback: '127.0.0.1:9901',
        help: 'Serves /healthz, /readyz and /metrics; or `off`',
      },
      demo_engines: {
        reader: list(listen),
        fallback: { value: [], shown: 'none' },
        help: 'Speech engines to play inside the process',
      },
      demo_servers: {
        reader: list(demoServer(folder)),
        fallback: { value: [], shown: 'none' },
        help: 'Servers of other protocols to play inside the process',
      },
    },
    (draft, at) => {
      checkBound(draft, at);
      checkForwarding(draft, at);
      checkReferences(draft, at);
      checkTenants(draft, at);
      checkEndpoints(draft, at);
    },
  );

type Draft = NonNullable<ReturnType<ReturnType<typeof settings>['read']>>;
export type Settings = Whole<Draft>;

/** No two of our own sockets may want one address. */
function checkBound({ listeners, admin, demoEngines, demoServers }: Draft, at: Cursor): void {
  const bound = [
    ...(listeners ?? []).map((item, i) => ({
      address: item?.address,
      at: at.key('listeners').index(i).key('address'),
    })),
    { address: admin, at: at.key('admin') },
    ...(demoEngines ?? []).map((address, i) => ({ address, at: at.key('demo_engines').index(i) })),
    ...(demoServers ?? []).map((item, i) => ({
      address: item?.address,
      at: at.key('demo_servers').index(i).key('address'),
    })),
  ];
  for (const [i, { address, at: here }] of bound.entries()) {
    const other = address && bound.slice(0, i).find((earlier) => earlier.address && collide(earlier.address, address));
    if (other) here.wrong(`${formatAddress(address)} is already taken by ${other.at.path}`);
  }
}

/** Upstreams that are named exist, and everything goes somewhere. */
function checkForwarding({ listeners, routes, upstreams }: Draft, at: Cursor): void {
  const find = (name: string, here: Cursor) => {
    if (upstreams) checkKnown('upstream', name, upstreams, here);
    return upstreams?.get(name);
  };
  for (const [i, item] of (listeners ?? []).entries()) {
    const here = at.key('listeners').index(i);
    if (item?.upstream) find(item.upstream, here.key('upstream'));
    if (item?.upstream === null && routes?.length === 0) {
      here.wrongKey('upstream', undefined, 'is missing, and there are no routes (name: where everything goes)');
    }
  }
  for (const [i, item] of (routes ?? []).entries()) {
    for (const [name, here] of upstreamsOf(item?.action, at.key('routes').index(i))) {
      const protocol = find(name, here)?.protocol;
      if (protocol && item?.match) checkCarried(item.match, name, protocol, here);
    }
  }
  checkReached(routes?.map((item) => item?.match) ?? [], at.key('routes'));
}

function checkKnown(kind: string, name: string, all: ReadonlyMap<string, unknown>, here: Cursor): void {
  if (all.has(name)) return;
  here.wrong(
    `there is no ${kind} ${JSON.stringify(name)}`,
    all.size > 0 ? hint(name, [...all.keys()]) : 'there are none',
  );
}

/** What else routes refer to is there, too. */
function checkReferences({ listeners, routes, auth: ways }: Draft, at: Cursor): void {
  const names = new Map(
    (listeners ?? []).map((item) => [item?.name || (item?.address && formatAddress(item.address)) || '', item]),
  );
  for (const [i, item] of (routes ?? []).entries()) {
    const here = at.key('routes').index(i);
    if (item?.auth && ways) checkKnown('auth', item.auth, ways, here.key('auth'));
    const on = here.key('match').key('listener');
    for (const [j, name] of (item?.match?.listeners ?? []).entries()) {
      if (!names.has('')) checkKnown('listener', name, names, on.node.kind === 'list' ? on.index(j) : on);
    }
  }
}

/** Tenants share upstreams that are there, and no more of them than there is. */
function checkTenants({ tenants: spec, upstreams }: Draft, at: Cursor): void {
  if (!spec || !upstreams) return;
  const here = at.key('tenants');
  for (const { name, shares } of spec.tenants) {
    for (const { upstream: shared } of shares) {
      checkKnown('upstream', shared, upstreams, here.key('names').key(name).key('upstreams').key(shared));
    }
  }
  checkReserved(spec, upstreams, here);
}

/** No upstream leads back into the gateway. */
function checkEndpoints({ listeners, upstreams }: Draft, at: Cursor): void {
  for (const [name, upstream] of upstreams ?? []) {
    for (const [i, item] of (upstream?.endpoints ?? []).entries()) {
      const own = listeners?.findIndex((l) => l?.address && item?.address && leadsBack(item.address, l.address)) ?? -1;
      const here = at.key('upstreams').key(name).key('endpoints').index(i);
      if (own >= 0) here.wrong(`leads back to listeners[${own}]`, 'the address of an engine');
    }
  }
}
