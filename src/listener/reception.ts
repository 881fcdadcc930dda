/** Receives the requests of all of a listener's clients, whatever they speak: each becomes an exchange. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { Peer, TrustedProxies } from '../relay/client-address.ts';
import { Cors } from '../relay/cors.ts';
import { Exchange } from '../relay/exchange.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import { grpcWebOf, toGrpc } from '../relay/grpc-web.ts';
import { GrpcWebHalf } from '../relay/grpc-web-half.ts';
import type { CarrierSource, Half, HalfSink } from '../relay/half.ts';
import { isGrpc } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';
import { replyLocally } from '../relay/local-reply.ts';
import type { Router } from '../route/router.ts';
import type { GrpcWebSpec } from '../snapshot.ts';
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
}

export class Reception {
  readonly router: Router;
  private readonly context: ExchangeContext;
  private readonly trusted: TrustedProxies;
  private readonly policies: TlsPolicies | null;
  private readonly cors: Cors | null;

  /** `grpcWeb` null: it passes as any other request. */
  constructor(
    context: ExchangeContext,
    router: Router,
    trusted: TrustedProxies,
    policies: TlsPolicies | null,
    grpcWeb: GrpcWebSpec | null,
  ) {
    this.context = context;
    this.router = router;
    this.trusted = trusted;
    this.policies = policies;
    this.cors = grpcWeb === null ? null : new Cors(grpcWeb);
  }

  /** Sets the half's sink, and sets out. */
  receive(half: ClientHalf, head: RequestHead, end: boolean, { origin, peer, entry }: Client): void {
    const address = peer.forward(head, this.trusted);
    head.origin = origin;
    const preflight = this.cors?.preflight(head) ?? null;
    const web = this.cors === null ? null : this.webHalf(half, head, this.cors);
    let request = head;
    if (web !== null) {
      request = toGrpc(head);
      request.origin = origin;
    }
    const to = this.placeOf(request, origin, entry, web !== null);
    const refused = 'cause' in to;
    const exchange = new Exchange(this.context, refused ? null : to, web ?? half, request, end, address);
    half.sink = web ?? exchange;
    if (web !== null) web.sink = exchange;
    if (preflight !== null) exchange.answer(preflight);
    else if (refused) exchange.fail(to);
    else exchange.begin();
  }

  /** A request that is answered though it could not be made out. */
  refuse(half: Half, failure: Failure, fields: readonly Field[], method: string): void {
    const type = fields.find(({ name }) => name.token === Token.CONTENT_TYPE)?.value ?? '';
    replyLocally(half, failure, isGrpc(type), method);
    half.stop();
  }

  private placeOf(head: RequestHead, origin: Origin, entry: TlsEntry | null, web: boolean): CarrierSource | Failure {
    const lost = entry !== null && this.policies?.misdirected(entry, head.authority) === true;
    return lost ? Failures.misdirected : this.router.route(head, origin, web);
  }

  private webHalf(half: Half, head: RequestHead, cors: Cors): GrpcWebHalf | null {
    const type = head.fields.find(({ name }) => name.token === Token.CONTENT_TYPE);
    if (type === undefined || grpcWebOf(type.value) === null) return null;
    return new GrpcWebHalf(half, head, cors.allow(head));
  }
}
