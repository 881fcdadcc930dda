/** Files of one listener and one upstream, for tests of what is said about either. */
import assert from 'node:assert/strict';
import { readConfig } from '../../src/control/config.ts';
import type { ListenerSpec, RouteSpec, UpstreamSpec } from '../../src/snapshot.ts';

/** @param text the only thing that is read; nothing comes from the environment */
export const read = (text: string, file = 'f.yaml') => readConfig(text, file, { environment: {}, memory: 2 ** 30 });

/** `more` stands in line 5 from column 5, in the upstream or, if so named, in the listener. */
const fileWith = (more: string, section: 'upstream' | 'listener', endpoints = '["a:1"]') => `listeners:
  - { address: ":1", upstream: asr${section === 'listener' ? `,\n\n\n    ${more}` : ''} }
upstreams:
  asr:
${section === 'upstream' && more !== '' ? `    ${more}\n` : ''}    endpoints: ${endpoints}
`;

function mistakeOf(text: string, file?: string): string {
  const { mistakes } = read(text, file);
  assert.equal(mistakes.length, 1, mistakes.join('\n') || text);
  return mistakes[0]!;
}

function snapshotOf(text: string, file?: string) {
  const { snapshot, mistakes } = read(text, file);
  assert.ok(snapshot, `${text}\n${mistakes.join('\n')}`);
  return snapshot;
}

/** The upstream of a file with one more line (or several, indented by four). `file`: where its relative paths begin. */
export const upstreamWith = (more: string, file?: string, endpoints?: string): UpstreamSpec =>
  snapshotOf(fileWith(more, 'upstream', endpoints), file).upstreams.get('asr')!;

/** The one mistake in the upstream's line 5, without `f.yaml:5:` and `upstreams.asr.`: `22: connect_timeout: ...`. */
export const mistakeInUpstream = (more: string, file = 'f.yaml', endpoints?: string): string =>
  mistakeOf(fileWith(more, 'upstream', endpoints), file)
    .replace(`${file}:5:`, '')
    .replace('upstreams.asr.', '');

/** The listener of a file with more keys. `file`: where its relative paths begin. */
export const listenerWith = (more: string, file?: string): ListenerSpec =>
  snapshotOf(fileWith(more, 'listener'), file).listeners[0]!;

/** The one mistake in the listener's line 5, without `f.yaml:5:` and `listeners[0].`. */
export const mistakeInListener = (more: string, file = 'f.yaml'): string =>
  mistakeOf(fileWith(more, 'listener'), file).replace(`${file}:5:`, '').replace('listeners[0].', '');

const fileOfRoute = (route: string, more: string) => `listeners: [{ address: ":1", name: front, upstream: asr }]
routes:
- ${route}
upstreams: { asr: { protocol: same, endpoints: ["a:1"] }, canary: { endpoints: ["a:2"] } }
${more}`;

/** The only route of a file. `more`: its other sections. `file`: where its relative paths begin. */
export const routeOf = (route: string, more = '', file?: string): RouteSpec =>
  snapshotOf(fileOfRoute(route, more), file).routes[0]!;

/** The one mistake in the route, without `f.yaml:3:` and `routes[0].`. */
export const mistakeInRoute = (route: string, more = ''): string =>
  mistakeOf(fileOfRoute(route, more)).replace('f.yaml:3:', '').replace('routes[0].', '');

/** The snapshot of a file with sections besides its one listener and upstream, from line 5 on. */
export const snapshotWith = (more: string, file?: string) => snapshotOf(fileOfRoute('{ upstream: asr }', more), file);

/** The one mistake in those sections, without `f.yaml:`. */
export const mistakeWith = (more: string, file = 'f.yaml'): string =>
  mistakeOf(fileOfRoute('{ upstream: asr }', more), file).replace(`${file}:`, '');
