/** All routes, compiled: the first that claims a request in the order of the file has it, and few have to be asked; pure. */
import type { MatchSpec } from '../policy.ts';
import { NameCandidates, PathCandidates } from './candidates.ts';
import { explainMatch } from './explain.ts';
import { Matcher, withoutQuery } from './matcher.ts';
import type { Asked } from './matcher.ts';

export type { Asked } from './matcher.ts';

export interface Explanation {
  /** The place of the route, from 0; -1: none matches. */
  readonly index: number;
  /** What of it matched. */
  readonly why: string;
}

export class RouteTable<R> {
  private readonly routes: readonly { readonly match: MatchSpec; readonly route: R }[];
  private readonly byHost = new NameCandidates();
  /** Those that ask for no host. */
  private readonly byServerName = new NameCandidates();
  /** Those that ask for neither. */
  private readonly byPath = new PathCandidates();

  constructor(routes: readonly { readonly match: MatchSpec; readonly route: R }[]) {
    this.routes = routes;
    routes.forEach(({ match }, index) => {
      const candidate = { index, matcher: new Matcher(match) };
      const names = match.hosts.length > 0 ? this.byHost : this.byServerName;
      for (const pattern of match.hosts.length > 0 ? match.hosts : match.sni) names.add(pattern, match.path, candidate);
      if (match.hosts.length === 0 && match.sni.length === 0) this.byPath.add(match.path, candidate);
    });
  }

  /** The route of a request, or null. */
  find(asked: Asked): R | null {
    return this.routes[this.indexOf(asked)]?.route ?? null;
  }

  /** For people: which route a request has, and why. */
  explain(asked: Asked): Explanation {
    const index = this.indexOf(asked);
    const { length } = this.routes;
    if (index < length) return { index, why: explainMatch(this.routes[index]!.match, asked) };
    return { index: -1, why: length === 0 ? 'there are no routes' : `none of the ${length} routes matches` };
  }

  /** The number of routes if there is none. */
  private indexOf(asked: Asked): number {
    const path = withoutQuery(asked.path);
    let best = this.routes.length;
    if (asked.host !== null) best = this.byHost.lowest(asked.host, asked, path, best);
    if (asked.serverName !== null) best = this.byServerName.lowest(asked.serverName, asked, path, best);
    return this.byPath.lowest(asked, path, best);
  }
}
