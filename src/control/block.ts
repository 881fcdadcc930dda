/** CIDR blocks, of clients and proxies. */
import { parseBlock } from './address.ts';
import { text } from './readers.ts';

export const block = text('CIDR block', 'like 10.0.0.0/8, ::1/128 or 192.0.2.7', parseBlock);
