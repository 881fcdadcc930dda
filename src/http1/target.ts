/** Request targets (RFC 9112 section 3.2): what they and Host say of where a request goes. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';

export interface Target {
  /** '' for CONNECT. */
  readonly path: string;
  /** '' if neither the target nor Host names one. */
  readonly authority: string;
}

const ABSOLUTE = /^(https?):\/\/([^/?#]+)(.*)$/i;
/** `uri-host ":" port`: "a client MUST send only the host and port of the tunnel destination" (section 3.2.3). */
const HOST_AND_PORT = /^(?:[^:[\]]+|\[[^[\]]+\]):[0-9]{1,5}$/;

/** `host`: the value of the one Host field, null without one (HTTP/1.0). */
export function parseTarget(
  method: string,
  target: string,
  scheme: 'http' | 'https',
  host: string | null,
): Target | Failure {
  if (method === 'CONNECT') {
    // Clients send the proxy's own name as Host, too: what is asked for is the target alone, and Host goes no further.
    if (!HOST_AND_PORT.test(target)) return Failures.malformedRequest;
    return { path: '', authority: target };
  }
  if (target.startsWith('/')) return { path: target, authority: host ?? '' };
  // "The asterisk-form of request-target is only used for a server-wide OPTIONS request" (section 3.2.4)
  if (target === '*') return method === 'OPTIONS' ? { path: '*', authority: host ?? '' } : Failures.malformedRequest;
  const [, given = '', authority = '', rest = ''] = ABSOLUTE.exec(target) ?? [];
  if (authority === '' || !agree(authority, host, scheme)) return Failures.malformedRequest;
  // A request for https "MUST be rejected unless it has been received over a connection that has been secured" (RFC 9110
  // section 7.4); the other way round its answer would be for another origin.
  if (given.toLowerCase() !== scheme) return Failures.misdirected;
  if (rest.startsWith('/')) return { path: rest, authority };
  // "If a proxy receives an OPTIONS request with an absolute-form of request-target in which the URI has an empty path and
  // no query component, then the last proxy on the request chain MUST send a request-target of "*"" (section 3.2.4)
  return { path: rest === '' && method === 'OPTIONS' ? '*' : `/${rest}`, authority };
}

/**
 * "a proxy MUST ignore the received Host header field (if any) and instead replace it" (section 3.2.2): one that disagrees
 * is a request that two servers would give to two hosts.
 */
function agree(authority: string, host: string | null, scheme: 'http' | 'https'): boolean {
  return host === null || authority === host || canonical(authority, scheme) === canonical(host, scheme);
}

/** Without the scheme's own port, which some clients leave out. */
function canonical(authority: string, scheme: 'http' | 'https'): string {
  return authority.toLowerCase().replace(scheme === 'http' ? /:(?:80)?$/ : /:(?:443)?$/, '');
}
