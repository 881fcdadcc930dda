/** Requests and routes for the tests of the route table. */
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import type { MatchSpec } from '../../src/policy.ts';
import type { Asked } from '../../src/route/table.ts';

export const fieldsOf = (...pairs: readonly (readonly [string, string])[]): Field[] =>
  pairs.map(([name, value]) => makeField(name, value));

/** A gRPC call from a client on the loopback, but for what is said. */
export const asked = (some: Partial<Asked> = {}): Asked => ({
  listener: 'main',
  kind: 'grpc',
  serverName: null,
  host: 'asr.example',
  path: '/asr.v1.Recognizer/Stream',
  method: 'POST',
  fields: [],
  client: '127.0.0.1',
  certificate: null,
  ...some,
});

/** Everything, but for what is said. */
export const match = (some: Partial<MatchSpec> = {}): MatchSpec => ({
  listeners: [],
  protocols: [],
  sni: [],
  hosts: [],
  path: null,
  methods: [],
  headers: [],
  clients: [],
  certificates: [],
  ...some,
});
