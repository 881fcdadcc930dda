import { setTimeout as sleep } from 'node:timers/promises';
import { Caller, type Echo } from '../caller.ts';
import { bounded } from '../deadline.ts';
import type { Load } from '../row.ts';
import { pace } from './pace.ts';

async function withCallers<T>(
  port: number,
  connections: number,
  echo: Echo,
  use: (callers: readonly Caller[]) => Promise<T>,
): Promise<T> {
  const callers: Caller[] = [];
  try {
    await Promise.all(Array.from({ length: connections }, async () => callers.push(await Caller.connect(port, echo))));
    return await use(callers);
  } finally {
    for (const caller of callers) caller.close();
  }
}

/** Every caller sends when its last echo is there, until there are `calls` in all. */
function inTurn(callers: readonly Caller[], calls: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let echoed = 0;
    for (const caller of callers) {
      const next = () => {
        if (sent++ < calls) caller.send();
      };
      caller.onEcho = (failure) => {
        if (failure !== undefined) reject(new Error(`${echoed} of ${calls} echoes, then ${failure}`));
        else if (++echoed === calls) resolve();
        else next();
      };
      next();
    }
  });
}

/** One message at a time on each of the connections; the first, with which a proxy's way to the backend stands, is not measured. */
export function echoOf(echo: Echo, connections: number): Load {
  return (port, calls, meter) =>
    withCallers(port, connections, echo, async (callers) => {
      await inTurn(callers, connections);
      meter.begin();
      await inTurn(callers, calls);
      await sleep(20);
      meter.end();
      return calls;
    });
}

/** A message once a period (in milliseconds) on each of the connections, whether the last one is back or not. */
export function pacedEchoOf(echo: Echo, connections: number, period: number): Load {
  return (port, calls, meter) =>
    withCallers(port, connections, echo, async (callers) => {
      await inTurn(callers, connections);
      let sent = 0;
      let echoed = 0;
      const allEchoed = new Promise<void>((resolve, reject) => {
        for (const caller of callers) {
          caller.onEcho = (failure) => {
            if (failure !== undefined) reject(new Error(`${echoed} of ${sent} echoes, then ${failure}`));
            else if (++echoed === calls) resolve();
          };
        }
      });
      // It is awaited below; until then a failure must not be an unhandled one.
      allEchoed.catch(() => undefined);
      meter.begin();
      sent = await pace(connections, period, calls / connections, (talker) => callers[talker]!.send());
      await bounded(allEchoed, 5);
      await sleep(20);
      meter.end();
      return sent;
    });
}
