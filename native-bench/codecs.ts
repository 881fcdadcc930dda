import { Bench as Tinybench } from 'tinybench';
import { frameTask } from './codecs/frames.ts';
import { hpackTasks } from './codecs/hpack.ts';
import { frameway } from './peers/frameway.ts';
import { type Bench, Samples } from './row.ts';

/** Times tasks of `count` units of work each; `figure` turns the microseconds of one unit into what is shown. */
async function time(
  samples: Samples,
  tasks: ReadonlyMap<string, () => void>,
  count: number,
  { rounds, effort, tick }: Bench,
  figure: (microseconds: number) => number,
): Promise<Samples> {
  for (let round = 0; round < rounds; round++) {
    const timing = new Tinybench({ time: 400 * effort, warmupTime: 100 });
    for (const [name, task] of tasks) timing.add(name, task, { async: false });
    for (const { name, result } of await timing.run()) {
      if (result.state === 'completed') samples.add(name, figure((result.latency.p50 * 1000) / count));
      else samples.fail(name, `tinybench: ${result.state}`);
    }
    tick();
  }
  return samples;
}

/** HPACK, decoding and encoding again, first: the bar is on requests. Then the frame reader. */
export async function codecs(bench: Bench): Promise<Samples[]> {
  const lines: Samples[] = [];
  for (const kind of ['request', 'response'] as const) {
    const { blocks, tasks } = hpackTasks(kind);
    lines.push(await time(new Samples(`hpack ${kind}`, 'us a block'), tasks, blocks, bench, (us) => us));
  }
  const { frames, task } = frameTask();
  const reader = new Samples('frame reader', 'M frames/s');
  lines.push(await time(reader, new Map([[frameway.name, task]]), frames, bench, (us) => 1 / us));
  return lines;
}
