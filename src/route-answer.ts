/** Which route of a configuration a request would have, told to people by the table that serves it. */
import type { RouteQuestion } from './control/route-question.ts';
import { makeField } from './hpack/field.ts';
import type { ActionSpec } from './policy.ts';
import { RouteTable } from './route/table.ts';
import type { Snapshot } from './snapshot.ts';

export interface RouteAnswer {
  /** One line. */
  readonly text: string;
  /** Somebody serves it: a route, or the listener's own upstream. */
  readonly served: boolean;
}

/** Throws an Error where the question names a listener that is not there. */
export function answerRoute({ listeners, routes }: Snapshot, question: RouteQuestion): RouteAnswer {
  const listener =
    question.listener === null ? listeners[0]! : listeners.find(({ name }) => name === question.listener);
  if (listener === undefined) {
    throw new Error(
      `there is no listener ${question.listener!} (known: ${listeners.map(({ name }) => name).join(', ')})`,
    );
  }
  const { headers, ...rest } = question;
  const table = new RouteTable(routes.map(({ match }, route) => ({ match, route })));
  const fields = headers.map(([name, value]) => makeField(name, value));
  const { index, why } = table.explain({ ...rest, listener: listener.name, fields, certificate: null });
  const asked = `${question.kind} at ${listener.name}`;
  const route = routes[index];
  if (route !== undefined) return { text: `${asked}: ${route.name} ${told(route.action)}: ${why}`, served: true };
  // Nothing passes through unopened but what a route names.
  const fallback = question.kind === 'tls' ? null : listener.upstream;
  const text = fallback === null ? `${asked}: ${why}` : `${asked}: ${why}; the listener has upstream ${fallback}`;
  return { text, served: fallback !== null };
}

function told(action: ActionSpec): string {
  switch (action.kind) {
    case 'upstream': {
      const { upstreams } = action;
      if (upstreams.length === 1) return `(upstream ${upstreams[0]!.name})`;
      return `(upstreams ${upstreams.map(({ name, weight }) => `${name} ${weight}`).join(', ')})`;
    }
    case 'redirect':
      return `(redirect ${action.status})`;
    case 'respond':
      return `(respond ${action.status})`;
  }
}
