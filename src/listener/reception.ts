/** Receives the requests of all of a listener's clients, whatever they speak: each is held to its route, and becomes an exchange. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Filter } from '../filter/filter.ts';
import type { ReservedHeaders } from '../filter/reserved-headers.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { Peer, TrustedProxies } from '../relay/client-address.ts';
import { Cors } from '../relay/cors.ts';
import { Follower, FOLLOWER_CONTEXT } from '../relay/duplicate-follower.ts';
import { Leader } from '../relay/duplicate-leader.ts';
import { Exchange } from '../relay/exchange.ts';
import type { ExchangeContext } from '../relay/exchange-context.ts';
import { grpcWebOf, toGrpc } from '../relay/grpc-web.ts';
import { GrpcWebHalf } from '../relay/grpc-web-half.ts';
import type { CarrierSource, Half, HalfSink } from '../relay/half.ts';
import { isGrpc, RequestHead, retarget } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';
import { normalisePath } from '../route/path.ts';
import type { Route } from '../route/route.ts';
import type { Router } from '../route/router.ts';
import type { GrpcWebSpec } from '../snapshot.ts';
import { Admission } from './admission.ts';
import type { TlsTerminator } from './tls.ts';
import type { TlsEntry } from './tls-entry.ts';

/** A client's half, as its protocol made it. */
export interface ClientHalf extends Half {
  sink: HalfSink | null;
}

/** Which names may be asked for by which TLS. */
type TlsPolicies = Pick<TlsTerminator<never>, 'misdirected'>;

/** Who asks: one a connection. */
export interface Client {
  readonly origin: Origin;
  readonly peer: Peer;
  /** The TLS that it came by. */
  readonly entry: TlsEntry | null;
  readonly last: LastRoute;
}

/** What a client asked last, and the route that this has: who asks the same, by the very same list of fields, is not looked up again. */
export class LastRoute {
  fields: readonly Field[] | null = null;
  route: Route | null = null;

  keep(fields: readonly Field[], route: Route | null): void {
    this.fields = fields;
    this.route = route;
  }
}

/** What a listener makes of requests. */
export interface ReceptionSpec {
  readonly router: Router;
  /** Of exchanges without a route, and of those of each route by its place. */
  readonly context: ExchangeContext;
  readonly contexts: readonly ExchangeContext[];
  /** Asked of requests without a route, and of those of each route by its place. */
  readonly filters: readonly Filter[];
  readonly routeFilters: readonly (readonly Filter[])[];
  readonly trusted: TrustedProxies;
  readonly policies: TlsPolicies | null;
  /** Null: gRPC-Web passes as any other request. */
  readonly grpcWeb: GrpcWebSpec | null;
  readonly reserved: Reserved;
}

/** Headers that are not for clients to write, or not for engines to read. */
export interface Reserved {
  /** Those that engines believe; and the keys of clients, which filters have to see first. */
  readonly believed: ReservedHeaders | null;
  readonly secret: ReservedHeaders | null;
  readonly all: ReservedHeaders | null;
}

/** What there is to be made lower, or a root's dot to be taken off. */
const UNUSUAL_HOST = /[A-Z]|\.(?::|$)/;

/** What was found out of one request; one object for all, since none waits for another. */
class Verdict {
  failure: Failure | null = null;
  retryAfter = 0;
  to: CarrierSource | null = null;
  party: Admission | null = null;

  clear(): void {
    this.failure = this.to = this.party = null;
    this.retryAfter = 0;
  }
}

export class Reception {
  readonly router: Router;
  private readonly spec: ReceptionSpec;
  private readonly cors: Cors | null;
  private readonly verdict = new Verdict();

  constructor(spec: ReceptionSpec) {
    this.spec = spec;
    this.router = spec.router;
    this.cors = spec.grpcWeb === null ? null : new Cors(spec.grpcWeb);
  }

  /** Sets the half's sink, and sets out. `chosen`: the route that was found before there was a request. */
  receive(half: ClientHalf, head: RequestHead, end: boolean, client: Client, chosen: Route | null = null): void {
    const { spec, cors, verdict } = this;
    const address = client.peer.forward(head, spec.trusted);
    head.origin = client.origin;
    const clean = straighten(head);
    spec.reserved.believed?.strip(head);
    const preflight = cors === null ? null : cors.preflight(head);
    const web = cors === null ? null : webHalf(half, head, cors);
    const request = web === null ? head : toGrpc(head);
    request.origin = client.origin;

    verdict.clear();
    verdict.failure = clean ? this.objection(request, client) : Failures.malformedRequest;
    const here = verdict.failure !== null || preflight !== null;
    const route = here ? null : (chosen ?? this.routeOf(request, client, web !== null, address));
    if (!here) this.judge(request, route, client.origin, address);
    spec.reserved.secret?.strip(request);

    const context = route === null ? spec.context : spec.contexts[route.index]!;
    const once = verdict.to !== null && route !== null && route.duplicates !== null;
    const shared = once ? this.once(route, request, end, address, web ?? half) : null;
    const to = shared instanceof Follower ? shared : shared instanceof Leader ? shared.upstream : verdict.to;
    const down = shared instanceof Leader ? shared : (web ?? half);
    const how = shared instanceof Follower ? { ...context, ...FOLLOWER_CONTEXT } : context;
    const exchange = new Exchange(how, to, down, request, end, address, verdict.party);
    if (shared instanceof Leader) shared.sink = exchange;
    const sink = shared instanceof Leader ? shared : exchange;
    half.sink = web ?? sink;
    if (web !== null) web.sink = sink;

    if (verdict.failure !== null) exchange.fail(verdict.failure, undefined, verdict.retryAfter);
    else if (preflight !== null) exchange.answer(preflight);
    else if (route === null || route.answer === null) exchange.begin();
    else exchange.answer(route.answer.head(request, client.peer.scheme), route.answer.body);
  }

  /** A request that is answered though it could not be made out. */
  refuse(half: Half, failure: Failure, fields: readonly Field[], method: string, address: string): void {
    const type = fields.find(({ name }) => name.token === Token.CONTENT_TYPE)?.value ?? '';
    const head = new RequestHead([...fields], method, '', '', -1, isGrpc(type), null);
    new Exchange(this.spec.context, null, half, head, true, address, null).fail(failure);
  }

  private routeOf(request: RequestHead, { origin, last }: Client, web: boolean, address: string): Route | null {
    const { router } = this.spec;
    // A list is shared by requests of one connection whose client is the peer itself, so all that routes go by is the same.
    if (request.fields === last.fields) return last.route;
    const route = router.find(request, origin, web, address);
    // Where there are no routes there is nothing to be looked up.
    if (router.chooses) last.keep(request.fields, route);
    return route;
  }

  /** Asks the filters, and finds where it goes. */
  private judge(head: RequestHead, route: Route | null, origin: Origin, client: string): void {
    const { spec, verdict } = this;
    const filters = route === null ? spec.filters : spec.routeFilters[route.index]!;
    if (filters.length > 0) {
      verdict.party = new Admission(filters, head, origin, client);
      const refusal = verdict.party.ask(spec.context.journal);
      if (refusal !== null) {
        verdict.failure = refusal.failure;
        verdict.retryAfter = refusal.retryAfter;
        return;
      }
    }
    const to = this.placeOf(head, route, origin);
    if (to !== null && 'cause' in to) verdict.failure = to;
    else verdict.to = to;
    if (route !== null && route.requestEdits !== null) head.fields = route.requestEdits.apply(head.fields);
  }

  /** The part of a request that is executed once, however often it comes; null: an ordinary one, or one that is refused. */
  private once(route: Route, head: RequestHead, ended: boolean, client: string, down: Half): Leader | Follower | null {
    const { verdict } = this;
    const identity = verdict.party?.bearer ?? null;
    const part = { head, ended, identity, client, route: route.index, upstream: verdict.to!, down };
    const taken = head.method === 'CONNECT' ? null : route.duplicates!.take(part);
    if (taken === null || !('cause' in taken)) return taken;
    verdict.failure = taken;
    return null;
  }

  private objection(head: RequestHead, { origin, entry }: Client): Failure | null {
    const { policies, router } = this.spec;
    // A CONNECT names where to go, not whom it came to.
    const named = head.method !== 'CONNECT' || head.upgrade !== null;
    const lost = named && entry !== null && policies?.misdirected(entry, head.authority) === true;
    return lost ? Failures.misdirected : router.objection(head, origin);
  }

  private placeOf(head: RequestHead, route: Route | null, origin: Origin): CarrierSource | Failure | null {
    if (route === null) return this.spec.router.otherwise(head, origin) ?? Failures.noRoute;
    if (route.answer !== null) {
      // A 2xx would open the tunnel.
      return head.method === 'CONNECT' && route.answer.status < 300 ? Failures.tunnelRefused : null;
    }
    if (route.rewrite !== null) {
      const path = route.rewrite.path(head.path);
      if (path === null) return Failures.malformedRequest;
      retarget(head, path, route.rewrite.host ?? head.authority);
    }
    return route.target(origin.protocol, Math.random) ?? Failures.noRoute;
  }
}

/** What was last found to be in its one form. Clients ask for the same again and again, by the same string objects. */
let lastPath = '';
let lastAuthority = '';

/** Brings path and host into their one form; false if the path has none. */
function straighten(head: RequestHead): boolean {
  if (head.path === lastPath && head.authority === lastAuthority) return true;
  const path = normalisePath(head.path);
  if (path === null) return false;
  const { authority } = head;
  const host = UNUSUAL_HOST.test(authority) ? authority.toLowerCase().replace(/\.(?=:|$)/, '') : authority;
  if (path !== head.path || host !== authority) retarget(head, path, host);
  lastPath = path;
  lastAuthority = host;
  return true;
}

function webHalf(half: Half, head: RequestHead, cors: Cors): GrpcWebHalf | null {
  const type = head.fields.find(({ name }) => name.token === Token.CONTENT_TYPE);
  if (type === undefined || grpcWebOf(type.value) === null) return null;
  return new GrpcWebHalf(half, head, cors.allow(head));
}
