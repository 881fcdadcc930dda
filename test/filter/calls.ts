/** Calls as a filter sees them. */
import type { Call } from '../../src/filter/filter.ts';
import { makeField } from '../../src/hpack/field.ts';
import { RequestHead } from '../../src/relay/message.ts';
import type { Origin } from '../../src/relay/origin.ts';

const PLACE = { address: '127.0.0.1', port: 1 };
const ORIGIN: Origin = {
  protocol: 'h2',
  listener: 'test',
  source: PLACE,
  destination: PLACE,
  tls: null,
  serverName: null,
};

interface Who {
  readonly client?: string;
  readonly identity?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function callOf({ client = '192.0.2.1', identity, headers = {} }: Who = {}): Call {
  const fields = Object.entries({ ':method': 'GET', ':path': '/', ...headers });
  const head = new RequestHead(
    fields.map(([name, value]) => makeField(name, value)),
    'GET',
    '/',
    'a.example',
    -1,
    false,
    null,
  );
  return {
    head,
    origin: ORIGIN,
    client,
    identity: identity === undefined ? null : { name: identity, claims: {} },
    tenant: null,
  };
}
