/** Whether one route claims a request; pure. */
import type { Field } from '../hpack/field.ts';
import type { HeaderSpec, MatchSpec, PathSpec } from '../policy.ts';
import { AddressBlocks } from '../relay/cidr.ts';
import type { TlsOrigin } from '../relay/origin.ts';
import type { RouteProtocol } from '../snapshot.ts';
import { NamePatterns } from './names.ts';

/** What routes are asked about. */
export interface Asked {
  /** Name of the listener. */
  readonly listener: string;
  readonly kind: RouteProtocol;
  /** What the TLS client named, and the host: in lower case, without port and the root's dot; null where there is none. */
  readonly serverName: string | null;
  readonly host: string | null;
  /** Normalised (`normalisePath`), with its query; '' where there is none. */
  readonly path: string;
  readonly method: string;
  readonly fields: readonly Field[];
  /** Address of the client. */
  readonly client: string;
  /** Of its certificate, if one was verified. */
  readonly certificate: Certificate | null;
}

/** What is asked of a certificate; `subject` is null where none was verified. */
export type Certificate = Pick<TlsOrigin, 'subject' | 'names'>;

/** Whether a certificate was verified that bears what `wanted` says. */
export function bears(certificate: Certificate | null, wanted: string): boolean {
  if (certificate === null || certificate.subject === null) return false;
  return wanted === '*' || certificate.subject === wanted || certificate.names.includes(wanted);
}

const SLASH = 0x2f;

/** The query is no part of what a path is matched by. */
export function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

/** Whether `prefix` ends on a border of the path's segments, and the path begins with it. */
export const hasPrefix = (path: string, prefix: string): boolean =>
  path.startsWith(prefix) &&
  (path.length === prefix.length ||
    path.charCodeAt(prefix.length) === SLASH ||
    prefix.charCodeAt(prefix.length - 1) === SLASH);

export class HeaderMatcher {
  private readonly name: string;
  private readonly kind: HeaderSpec['kind'];
  private readonly value: string;
  private readonly regex: RegExp | null;

  constructor({ name, kind, value }: HeaderSpec) {
    this.name = name;
    this.kind = kind;
    this.value = value;
    this.regex = kind === 'regex' ? new RegExp(value) : null;
  }
  /** Of several fields of its name, any may be the one. */
  matches(fields: readonly Field[]): boolean {
    for (const { name, value } of fields) {
      if (name.text === this.name && this.accepts(value)) return this.kind !== 'absent';
    }
    return this.kind === 'absent';
  }
  private accepts(value: string): boolean {
    switch (this.kind) {
      case 'exact':
        return value === this.value;
      case 'prefix':
        return value.startsWith(this.value);
      case 'regex':
        return this.regex!.test(value);
      default:
        return true;
    }
  }
}

/** All conditions of a route. */
export class Matcher {
  private readonly listeners: readonly string[];
  private readonly protocols: readonly RouteProtocol[];
  private readonly methods: readonly string[];
  private readonly path: PathSpec | null;
  private readonly regex: RegExp | null;
  private readonly sni: NamePatterns;
  private readonly hosts: NamePatterns;
  private readonly headers: readonly HeaderMatcher[];
  private readonly clients: AddressBlocks;
  private readonly certificates: readonly string[];

  constructor({ listeners, protocols, methods, path, sni, hosts, headers, clients, certificates }: MatchSpec) {
    this.listeners = listeners;
    this.protocols = protocols;
    this.methods = methods;
    this.path = path;
    this.regex = path?.kind === 'regex' ? new RegExp(path.value) : null;
    this.sni = new NamePatterns(sni);
    this.hosts = new NamePatterns(hosts);
    this.headers = headers.map((header) => new HeaderMatcher(header));
    this.clients = new AddressBlocks(clients);
    this.certificates = certificates;
  }

  /** `path` is the one that is asked about, without its query. Cheap conditions come first. */
  matches(asked: Asked, path: string): boolean {
    return (
      this.matchesKind(asked.kind) &&
      (this.listeners.length === 0 || this.listeners.includes(asked.listener)) &&
      (this.methods.length === 0 || this.methods.includes(asked.method)) &&
      this.hosts.match(asked.host) &&
      this.sni.match(asked.serverName) &&
      this.matchesPath(path) &&
      this.matchesHeaders(asked.fields) &&
      (this.clients.empty || this.clients.has(asked.client)) &&
      (this.certificates.length === 0 || this.certificates.some((wanted) => bears(asked.certificate, wanted)))
    );
  }
  /** TLS that passes unopened has to be asked for: a route for everything means everything that can be looked into. */
  private matchesKind(kind: RouteProtocol): boolean {
    return this.protocols.length === 0 ? kind !== 'tls' : this.protocols.includes(kind);
  }
  private matchesPath(path: string): boolean {
    if (this.path === null) return true;
    if (this.regex !== null) return this.regex.test(path);
    return this.path.kind === 'exact' ? path === this.path.value : hasPrefix(path, this.path.value);
  }
  private matchesHeaders(fields: readonly Field[]): boolean {
    for (const header of this.headers) if (!header.matches(fields)) return false;
    return true;
  }
}
