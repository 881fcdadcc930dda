import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type Echo, ramp } from '../caller.ts';
import { maskedMessage, message, opens, upgrade } from '../websocket.ts';

async function open(socket: Socket): Promise<void> {
  socket.write(upgrade);
  let head = '';
  while (!head.includes('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    head += chunk.toString('latin1');
  }
  if (!opens(head)) throw new Error(`no WebSocket: ${head.slice(0, head.indexOf('\r\n'))}`);
}

/** Binary messages of so many bytes, each sent back. */
export function webSocket(size: number): Echo {
  const payload = ramp(size);
  return { sent: maskedMessage(payload), expected: message(payload), open };
}
