/** Why a route claims a request, in words. */
import type { HeaderSpec, MatchSpec } from '../policy.ts';
import { AddressBlocks } from '../relay/cidr.ts';
import { withoutQuery } from './matcher.ts';
import type { Asked } from './matcher.ts';
import { NamePatterns } from './names.ts';

/** What of the request each condition of a route, which it fulfils, is fulfilled by. */
export function explainMatch(match: MatchSpec, asked: Asked): string {
  const { listeners, protocols, sni, hosts, path, methods, headers, clients, certificates } = match;
  const why: string[] = [];
  if (listeners.length > 0) why.push(`listener ${asked.listener}`);
  if (protocols.length > 0) why.push(`protocol ${asked.kind}`);
  if (sni.length > 0) why.push(`server name ${name(asked.serverName, sni)}`);
  if (hosts.length > 0) why.push(`host ${name(asked.host, hosts)}`);
  if (path !== null)
    why.push(`path ${withoutQuery(asked.path)}${path.kind === 'exact' ? '' : ` (${path.kind} ${path.value})`}`);
  if (methods.length > 0) why.push(`method ${asked.method}`);
  for (const header of headers) why.push(headerReason(header));
  const block = clients.find((text) => new AddressBlocks([text]).has(asked.client));
  if (block !== undefined) why.push(`client ${asked.client}${block === asked.client ? '' : ` (${block})`}`);
  if (certificates.length > 0) why.push(`client certificate ${asked.certificate?.subject ?? ''}`);
  return why.length === 0 ? 'it claims everything' : why.join(', ');
}

function name(asked: string | null, patterns: readonly string[]): string {
  const pattern = patterns.find((text) => new NamePatterns([text]).match(asked));
  return pattern === undefined || pattern === asked ? String(asked) : `${String(asked)} (${pattern})`;
}

const headerReason = ({ name, kind, value }: HeaderSpec): string =>
  kind === 'absent' || kind === 'present' ? `header ${name} ${kind}` : `header ${name} (${kind} ${value})`;
