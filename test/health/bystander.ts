/** A process that checks an engine which says nothing, and has nothing else to do: it ends by itself. `argv[2]` is the port. */
import { HealthCheck, probeFor } from '../../src/health/health-check.ts';
import { HOUR, spec } from './asking.ts';

const target = { host: '127.0.0.1', port: Number(process.argv[2]) };
const tls = { ca: null, certificate: null, key: null, serverName: '', verify: false };
for (const kind of ['grpc', 'http', 'tcp'] as const) {
  for (const transport of [null, tls]) {
    const given = spec({ kind, timeout: HOUR });
    new HealthCheck(probeFor(given, target, transport), given, () => undefined).start();
  }
}
// The probes connect meanwhile.
setTimeout(() => console.log('asked'), 100);
