/** The handshake of RFC 6455: what HTTP/1.1 has and the extended CONNECT of RFC 8441 has not. */
import { createHash, randomBytes } from 'node:crypto';

/** Section 1.3: every server has to know it. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** A `Sec-WebSocket-Key`: 16 random octets in base64. */
export const newKey = (): string => randomBytes(16).toString('base64');

/** The `Sec-WebSocket-Accept` that answers a key. */
export const acceptOf = (key: string): string => createHash('sha1').update(`${key}${GUID}`).digest('base64');

/** "a base64-encoded value that, when decoded, is 16 bytes in length" (section 4.2.1) */
export const isKey = (value: string): boolean => KEY.test(value);
