/** Where an exchange goes: the first route that matches in the order of the file, else the listener's own upstream. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { CarrierSource } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';
import type { RouteProtocol, RouteSpec } from '../snapshot.ts';
import { canonical, hostOf } from './server-names.ts';
import { NamePatterns } from './names.ts';

/** An upstream, by what the client speaks; null where its engines could not be given that. */
export type Destination = Readonly<Record<Origin['protocol'], CarrierSource | null>>;

interface Route {
  readonly protocols: readonly RouteProtocol[];
  readonly sni: NamePatterns;
  readonly hosts: NamePatterns;
  readonly to: Destination;
}

export class Router {
  private readonly routes: readonly Route[];
  private readonly fallback: Destination | null;
  /** For CONNECT; null: refused. */
  private readonly forward: CarrierSource | null;
  private readonly websocket: boolean;

  /** `destinationOf` finds an upstream by its name; it throws if there is none. */
  constructor(
    routes: readonly RouteSpec[],
    fallback: string | null,
    destinationOf: (upstream: string) => Destination,
    forward: CarrierSource | null,
    websocket: boolean,
  ) {
    this.routes = routes.map(({ protocols, sni, hosts, upstream }) => ({
      protocols,
      sni: new NamePatterns(sni),
      hosts: new NamePatterns(hosts),
      to: destinationOf(upstream),
    }));
    this.fallback = fallback === null ? null : destinationOf(fallback);
    this.forward = forward;
    this.websocket = websocket;
  }

  /** Whether anything of this kind could ever be carried. */
  serves(protocol: Origin['protocol']): boolean {
    const claims = (route: Route): boolean =>
      route.to[protocol] !== null &&
      (route.protocols.length === 0 || (protocol === 'tcp') === route.protocols.includes('tcp'));
    const carried = (this.fallback !== null && this.fallback[protocol] !== null) || this.routes.some(claims);
    return carried || (protocol !== 'tcp' && this.forward !== null);
  }

  /** Some TLS passes unopened. */
  get passes(): boolean {
    return this.routes.some(({ protocols }) => protocols.includes('tls'));
  }

  /** Where a request goes, or why it goes nowhere. `web`: it came as gRPC-Web. */
  route(head: RequestHead, origin: Origin, web: boolean): CarrierSource | Failure {
    const { upgrade, method } = head;
    const tcp = origin.protocol === 'tcp';
    if (method === 'CONNECT' && !tcp) {
      if (upgrade === null) return this.forward ?? Failures.methodNotAllowed;
      if (upgrade !== 'websocket' || !this.websocket) return Failures.tunnelRefused;
    }
    if (this.routes.length > 0) {
      const kind = tcp ? 'tcp' : upgrade !== null ? 'websocket' : web ? 'grpc_web' : head.grpc ? 'grpc' : 'http';
      const found = this.find(kind, origin.serverName, tcp ? null : hostOf(head.authority));
      if (found !== null) return found[origin.protocol] ?? Failures.noRoute;
    }
    return this.fallback?.[origin.protocol] ?? Failures.noRoute;
  }

  /** Where a TLS connection goes that is not opened here, by the name that its client asked for; null: it is opened. */
  passthrough(serverName: string | null): CarrierSource | null {
    for (const { protocols, sni, to } of this.routes) {
      if (protocols.includes('tls') && sni.match(serverName === null ? null : canonical(serverName))) return to.tcp;
    }
    return null;
  }

  private find(kind: RouteProtocol, serverName: string | null, host: string | null): Destination | null {
    for (const { protocols, sni, hosts, to } of this.routes) {
      if (protocols.length > 0 && !protocols.includes(kind)) continue;
      if (sni.match(serverName) && hosts.match(host === null ? null : canonical(host))) return to;
    }
    return null;
  }
}
