/** What becomes of what a route claims: it goes to an upstream, or is answered here. */
import type { ActionSpec } from '../policy.ts';
import { isHostName } from './address.ts';
import { MANY } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import { checkName, name } from './name.ts';
import { path } from './path-pattern.ts';
import { integer, judged, mapped, oneOf, orShort, text, whole } from './readers.ts';
import { named, object, type Reader } from './schema.ts';

type Action<K extends ActionSpec['kind']> = Extract<ActionSpec, { kind: K }>;
type Split = Action<'upstream'>['upstreams'];

const weights = named(integer(0, MANY), checkName);

/** `asr`, or `{ asr: 95, canary: 5 }`. */
const split: Reader<Split> = whole(
  {
    type: 'map of names to weights',
    read(at) {
      const read = weights.read(at);
      const all = [...(read?.values() ?? [])];
      if (all.length > 0 && all.every((weight) => weight === 0)) at.wrong('sends nothing anywhere', 'a weight above 0');
      return read;
    },
  },
  (read) => [...read].map(([upstream, weight]) => ({ name: upstream, weight })),
);

export const upstreams: Reader<Split> = {
  ...orShort(
    mapped(name, (only) => [{ name: only, weight: 1 }]),
    split,
  ),
  type: 'name, or map of names to weights',
};

const PORT = /:(\d{1,5})$/;
function authorityFault(authority: string): string | null {
  const port = PORT.exec(authority)?.[1];
  const bare = authority.replace(PORT, '');
  return isHostName(bare) && Number(port ?? 1) <= 65_535 ? null : 'like a.example or a.example:8443';
}

/** What `:authority` and Host are to be. */
export const authority = judged('host', authorityFault);

const STAYS = { value: null, shown: 'as it is' } as const;
export const redirect: Reader<Action<'redirect'>> = whole(
  object(
    'redirect',
    {
      status: { reader: oneOf(['301', '302', '303', '307', '308']), fallback: '302', help: 'Of the answer' },
      scheme: { reader: oneOf(['http', 'https']), fallback: STAYS, help: 'Of where it leads' },
      host: { reader: authority, fallback: STAYS, help: 'Likewise, with a port if one is to be named' },
      path: { reader: path, fallback: STAYS, help: 'In place of the path and its query' },
    },
    ({ scheme, host, path: to }, at) => {
      if (scheme === null && host === null && to === null)
        at.wrong('leads back to where it was', 'scheme, host or path');
    },
  ),
  ({ status, ...rest }) => ({ kind: 'redirect', ...rest, status: Number(status) as Action<'redirect'>['status'] }),
);

const content = text('text', 'one value', (written) => written);
/** RFC 9110 section 8.3.1, as far as anybody writes it. */
const contentType = judged('content type', (written) =>
  /^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w"'.-]+)*$/.test(written) ? null : 'like text/plain',
);

export const respond: Reader<Action<'respond'>> = whole(
  object(
    'respond',
    {
      status: { reader: integer(200, 599), fallback: '200', help: 'Of the answer' },
      body: { reader: content, fallback: { value: '', shown: 'empty' }, help: 'Its text' },
      content_type: { reader: contentType, fallback: 'text/plain', help: 'What the text is' },
    },
    checkBody,
  ),
  (read) => ({ kind: 'respond', ...read }),
);

/** RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: these have no content. */
const EMPTY = [204, 205, 304];
function checkBody({ status, body }: { status: number | undefined; body: string | undefined }, at: Cursor): void {
  if (status && body && EMPTY.includes(status))
    at.key('body').wrong(`an answer of ${status} has none`, 'another status');
}
