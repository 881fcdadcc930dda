import { Client } from '../client.ts';
import { literal } from '../wire.ts';

/** `:method: GET`, `:scheme: http`, path and authority. */
export function get(path: string): Buffer {
  const pseudo = Buffer.from([0x82, 0x86]);
  return Buffer.concat([pseudo, literal(':path', path), literal(':authority', '127.0.0.1'), literal('te', 'trailers')]);
}

/** Makes one call and waits for its whole answer. */
export function call(client: Client, block: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.open(block, true, (failure) => {
      if (failure === undefined) resolve();
      else reject(new Error(failure));
    });
  });
}

/** Keeps `streams` calls open on each of `connections` connections until `calls` have been answered. */
export async function lanes(
  port: number,
  calls: number,
  shape: { connections: number; streams: number },
  block: (index: number) => Buffer,
): Promise<void> {
  const clients = await Promise.all(Array.from({ length: shape.connections }, () => Client.connect(port)));
  let next = 0;
  let answered = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      const open = (client: Client) => {
        if (next === calls) return;
        client.open(block(next++), true, (failure) => {
          if (failure !== undefined) reject(new Error(`${answered} of ${calls} calls, then ${failure}`));
          else if (++answered === calls) resolve();
          else open(client);
        });
      };
      for (const client of clients) for (let lane = 0; lane < shape.streams; lane++) open(client);
    });
  } finally {
    for (const client of clients) client.close();
  }
}
