/** grpc-go's interop client calls grpc-go's interop server through the gateway, as its own interop_test.sh does directly. */
import type { Proxy } from './proxies.ts';
import { Program } from './program.ts';
import { skip, type Suite } from './suite.ts';
import { interop } from './tools.ts';

/** All of interop_test.sh. (pick_first_unary is none of them: it needs a `server_id`, which grpc-go's server does not give.) */
const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'orca_per_rpc',
  'orca_oob',
  'rpc_soak',
  'channel_soak',
];

/** As in interop_test.sh: the ORCA cases find the engine's load reports by it. */
const BALANCER = '{ "loadBalancingConfig": [{ "test_backend_metrics_load_balancer": {} }] }';
/** 600 KB each; both soaks are over in a second where nothing is wrong. */
const SOAK = ['--soak_iterations=400', '--soak_num_threads=4', '--soak_overall_timeout_seconds=15'];
const PATIENCE = 20_000;
/** Lines of a failed client's output that are shown. */
const SHOWN = 12;
const LOG = { env: { GRPC_GO_LOG_SEVERITY_LEVEL: 'info' } };

export const interoperation: Suite = async (startProxy) => {
  const name = 'interop';
  const found = await interop();
  if ('missing' in found) return skip(name, CASES.length, found.missing);
  const { client, server } = found.tool;
  const engine = new Program([server, '--port=0'], LOG);
  let proxy: Proxy | undefined;
  const notes: string[] = [];
  let failed = 0;
  try {
    const [, port] = await engine.until(/interop server listening on \S*:(\d+)/);
    proxy = await startProxy(Number(port));
    for (const testCase of CASES) {
      const failure = await run(client, proxy.port, testCase);
      if (failure === null) continue;
      failed++;
      const direct = await run(client, Number(port), testCase);
      notes.push(`${testCase}: ${direct === null ? 'passes' : 'fails, too,'} without the proxy`, ...failure);
    }
  } finally {
    await proxy?.stop();
    await engine.stop();
  }
  return { name, passed: CASES.length - failed, failed, skipped: 0, notes };
};

/** The last of what the client said, or null if it was content. */
async function run(client: string, port: number, testCase: string): Promise<string[] | null> {
  const address = ['--server_host=127.0.0.1', `--server_port=${port}`];
  const program = new Program(
    [client, ...address, `--test_case=${testCase}`, `--service_config_json=${BALANCER}`, ...SOAK],
    LOG,
  );
  const code = await program.end(PATIENCE);
  if (code === 0) return null;
  const lines = program.text.trimEnd().split('\n').slice(-SHOWN);
  return [
    code === null ? `  no end within ${PATIENCE / 1000} s` : `  exit code ${code}`,
    ...lines.map((line) => `  ${line}`),
  ];
}
