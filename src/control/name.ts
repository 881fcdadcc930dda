/** What listeners, routes, upstreams, tenants and the like are called. */
import { text } from './readers.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const FORM = 'letters, digits, _ . and -, at most 63';

export const name = text('name', FORM, (written) => (NAME.test(written) ? written : undefined));

/** What is wrong with a name that is a key; null: nothing. */
export const checkName = (written: string): string | null => (NAME.test(written) ? null : `is not a name (${FORM})`);
