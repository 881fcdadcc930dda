/** Names and values of header fields that the configuration speaks of. */
import { HeaderEdits } from '../route/header-edits.ts';
import { judged, mapped } from './readers.ts';
import type { Reader } from './schema.ts';

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

/** What is wrong with a name; null: nothing. */
export const nameFault = (name: string): string | null => (TOKEN.test(name) ? null : 'like x-session');

/** A header that is looked at; in lower case. */
export const headerName: Reader<string> = mapped(judged('header name', nameFault), (name) => name.toLowerCase());

/** What is wrong with a field that a route makes or takes away; null: nothing. The value is not quoted. */
export function editFault(name: string, value?: string): string | null {
  try {
    new HeaderEdits(
      value === undefined ? { remove: [name], set: [], add: [] } : { remove: [], set: [[name, value]], add: [] },
    );
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** gRPC's own, and those that are a credential. */
const TAKEN = /^grpc-|-bin$|^authorization$/;

/** A header in which the gateway tells an engine who calls; in lower case. */
export const toldHeader: Reader<string> = mapped(
  judged('header to tell engines in', (written) => {
    const name = written.toLowerCase();
    if (TAKEN.test(name)) return `${name} means something else to them`;
    return nameFault(written) ?? editFault(name);
  }),
  (name) => name.toLowerCase(),
);
