/** Where a listener's exchanges go: the first route that matches in the order of the file, else the listener's own upstream. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { CarrierSource } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';
import type { RouteProtocol } from '../snapshot.ts';
import type { Destination, Route } from './route.ts';
import { canonical, hostOf } from './server-names.ts';
import type { RouteTable } from './table.ts';

/** What a listener routes by. */
export interface RouterSpec {
  readonly listener: string;
  /** Null: what no route claims goes nowhere. */
  readonly fallback: Destination | null;
  /** For CONNECT; null: refused. */
  readonly forward: CarrierSource | null;
  readonly websocket: boolean;
}

export class Router {
  private readonly routes: readonly Route[];
  private readonly table: RouteTable<Route>;
  private readonly spec: RouterSpec;

  constructor(routes: readonly Route[], table: RouteTable<Route>, spec: RouterSpec) {
    this.routes = routes.filter(({ spec: { match } }) => listens(match.listeners, spec.listener));
    this.table = table;
    this.spec = spec;
  }

  /** Whether anything of this kind could ever be carried. */
  serves(protocol: Origin['protocol']): boolean {
    const { fallback, forward } = this.spec;
    const claims = (route: Route): boolean => {
      const { protocols } = route.spec.match;
      return route.carries(protocol) && (protocols.length === 0 || (protocol === 'tcp') === protocols.includes('tcp'));
    };
    if (fallback !== null && fallback[protocol] !== null) return true;
    return this.routes.some(claims) || (protocol !== 'tcp' && forward !== null);
  }

  /** There are routes to choose from. */
  get chooses(): boolean {
    return this.routes.length > 0;
  }
  /** Some TLS passes unopened. */
  get passes(): boolean {
    return this.routes.some(({ spec }) => spec.match.protocols.includes('tls'));
  }

  /** What stands against a request, whatever the routes say; null if nothing does. */
  objection({ method, upgrade }: RequestHead, { protocol }: Origin): Failure | null {
    if (method !== 'CONNECT' || protocol === 'tcp') return null;
    if (upgrade === null) return this.spec.forward === null ? Failures.methodNotAllowed : null;
    return upgrade === 'websocket' && this.spec.websocket ? null : Failures.tunnelRefused;
  }

  /** The route of a request, of a normalised path; null: it has none. `web`: it came as gRPC-Web. */
  find(head: RequestHead, origin: Origin, web: boolean, client: string): Route | null {
    if (this.routes.length === 0 || (head.method === 'CONNECT' && head.upgrade === null)) return null;
    const host = origin.protocol === 'tcp' ? null : hostOf(head.authority);
    return this.table.find({
      listener: origin.listener,
      kind: kindOf(head, origin, web),
      serverName: origin.serverName,
      host: host === null ? null : canonical(host),
      path: head.path,
      // As whoever opens a WebSocket sees it: over HTTP/1.1 it is a GET.
      method: head.upgrade === null ? head.method : 'GET',
      fields: head.fields,
      client,
      certificate: origin.tls,
    });
  }

  /** Where goes what no route claims. */
  otherwise({ method, upgrade }: RequestHead, { protocol }: Origin): CarrierSource | null {
    if (method === 'CONNECT' && upgrade === null) return this.spec.forward;
    return this.spec.fallback?.[protocol] ?? null;
  }

  /** The route of a TLS connection that is not opened here, by the name that its client asked for; null: it is opened. */
  passthrough(serverName: string | null, client: string): Route | null {
    if (!this.passes) return null;
    const { listener } = this.spec;
    const named = serverName === null ? null : canonical(serverName);
    const asked = {
      listener,
      serverName: named,
      host: null,
      path: '',
      method: 'CONNECT',
      fields: [],
      client,
      certificate: null,
    };
    return this.table.find({ ...asked, kind: 'tls' });
  }
}

const listens = (listeners: readonly string[], listener: string): boolean =>
  listeners.length === 0 || listeners.includes(listener);

function kindOf(head: RequestHead, origin: Origin, web: boolean): RouteProtocol {
  if (origin.protocol === 'tcp') return 'tcp';
  if (head.upgrade !== null) return 'websocket';
  return web ? 'grpc_web' : head.grpc ? 'grpc' : 'http';
}
