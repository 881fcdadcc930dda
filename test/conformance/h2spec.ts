/** h2spec attacks the gateway as a client, in strict mode, with an ordinary engine behind. */
import { startEngine } from './engine.ts';
import { skip, type Suite } from './suite.ts';
import { h2spec, output, readReport } from './tools.ts';

export const serverSide: Suite = async (startProxy) => {
  const name = 'h2spec';
  const found = await h2spec();
  if ('missing' in found) return skip(name, 147, found.missing);
  const { path, cases } = found.tool;
  const engine = await startEngine();
  const proxy = await startProxy(engine.port);
  try {
    const text = await output(path, ['-S', '-h', '127.0.0.1', '-p', `${proxy.port}`, '-o', '2']);
    const { passed, failures } = readReport(text);
    return { name, passed, failed: cases - passed, skipped: 0, notes: failures };
  } finally {
    await proxy.stop();
    engine.close();
  }
};
