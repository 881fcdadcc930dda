/** What a route answers in place of an engine: a redirect, or a body of its own. */
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { ActionSpec } from '../policy.ts';
import { statusField } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';

type Direct = Exclude<ActionSpec, { kind: 'upstream' }>;

export class DirectAnswer {
  readonly status: number;
  readonly body: Buffer | null;
  private readonly spec: Direct;
  private readonly fields: readonly Field[];

  constructor(spec: Direct) {
    this.spec = spec;
    this.status = spec.status;
    this.body = spec.kind === 'respond' && spec.body !== '' ? Buffer.from(spec.body) : null;
    const length = makeField('content-length', String(this.body?.length ?? 0));
    this.fields =
      spec.kind === 'respond' && spec.status !== 204
        ? [statusField(spec.status), makeField('content-type', spec.contentType), length]
        : [statusField(spec.status), ...(spec.status === 204 ? [] : [length])];
  }

  /** The head of the answer to this request, which came by `scheme`. */
  head(request: RequestHead, scheme: 'http' | 'https'): readonly Field[] {
    const { spec } = this;
    if (spec.kind === 'respond') return this.fields;
    // Another scheme has another port.
    const own = spec.scheme === null ? request.authority : request.authority.replace(/:\d+$/, '');
    const host = spec.host ?? own;
    const location = `${spec.scheme ?? scheme}://${host}${spec.path ?? request.path}`;
    return [...this.fields, makeField('location', location)];
  }
}
