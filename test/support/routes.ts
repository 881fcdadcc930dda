/** Routes for tests that are about something else. */
import { DEFAULT_ROUTE, type RouteProtocol, type RouteSpec } from '../../src/snapshot.ts';

export interface RouteTo {
  readonly protocols?: readonly RouteProtocol[];
  readonly sni?: readonly string[];
  readonly hosts?: readonly string[];
  readonly certificates?: readonly string[];
  readonly upstream: string;
}

/** All of these to one upstream. */
export const routeTo = ({ upstream, ...match }: RouteTo): RouteSpec => ({
  ...DEFAULT_ROUTE,
  name: `to ${upstream}`,
  match: { ...DEFAULT_ROUTE.match, ...match },
  action: { kind: 'upstream', upstreams: [{ name: upstream, weight: 1 }] },
});
