/** The command line: its commands and flags, their help, and what is wrong with one. */
import { parseArgs } from 'node:util';
import { configReference } from './config.ts';
import { hint, nearest } from './suggest.ts';

interface Flag {
  /** What stands for its value in the help; a flag without one is a switch. */
  readonly value?: string;
  /** Given again it counts anew, so that `npm start -- --config FILE` goes before the script's own; otherwise that is a mistake. */
  readonly replaceable?: true;
  readonly required?: true;
  readonly help: string;
}

interface Command {
  readonly summary: string;
  readonly operand?: string;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly more?: () => string;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the gateway that a file describes',
    flags: { config: { value: 'FILE', required: true, replaceable: true, help: 'the configuration, in YAML' } },
    more: () => 'SIGTERM and SIGINT drain, a second one ends at once.\n',
  },
  check: {
    summary: 'check a configuration file and report every mistake',
    operand: 'FILE',
    flags: {
      route: {
        value: 'REQUEST',
        help: "which route has it, and why: 'POST /asr.v1.Recognizer/Stream host=a.example header.x=y client=192.0.2.7'",
      },
    },
    more: referenceText,
  },
  proxy: {
    summary: 'run without a file: one listener, one upstream',
    flags: {
      from: { value: 'ADDRESS', required: true, help: 'where to listen: host:port, or :port for all interfaces' },
      to: { value: 'ADDRESS', required: true, help: 'where the engine is: host:port or unix:/path' },
      'log-level': { value: 'LEVEL', help: 'trace, debug, info (default), warn, error, fatal or silent' },
      'access-log': { help: 'one line for each exchange' },
      admin: { value: 'ADDRESS', help: 'health and metrics (default 127.0.0.1:9901), or off' },
    },
  },
  import: {
    summary: 'write what another gateway is configured for as a file of this one',
    operand: 'FILE',
    flags: {},
    more: () =>
      'FILE is a proxy_list of synapsor or a RouteConfig.yaml of rpc-pigeon; what has no equal is a comment.\n',
  },
};

export type Parsed =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'mistake'; readonly message: string }
  | {
      readonly kind: 'run';
      readonly command: string;
      /** Values by the flag's name; a switch that is set has the value `true`. */
      readonly flags: Readonly<Record<string, string>>;
      readonly operand: string;
    };

const mistake = (command: string | null, message: string): Parsed => {
  const name = command === null ? 'frameway' : `frameway ${command}`;
  return { kind: 'mistake', message: `${name}: ${message}\nTry: ${name} --help` };
};

/** Reads `process.argv.slice(2)`. */
export function parseCommandLine([first, ...rest]: readonly string[]): Parsed {
  if (first === '--help' || first === '-h') return { kind: 'help', text: generalHelp() };
  if (first === '--version' || first === '-v') return { kind: 'version' };
  const names = Object.keys(COMMANDS);
  if (first === undefined) return mistake(null, `no command (${names.join(', ')})`);
  if (!Object.hasOwn(COMMANDS, first)) {
    const what = first.startsWith('-') ? 'flag' : 'command';
    const known = what === 'flag' ? ['--help', '--version'] : names;
    return mistake(null, `unknown ${what} ${first} (${hint(first, known)})`);
  }
  return parseCommand(first, COMMANDS[first]!, rest);
}

function parseCommand(name: string, command: Command, args: string[]): Parsed {
  const known = withHelp(command.flags);
  const options = Object.fromEntries(
    Object.entries(known).map(([flag, { value }]) => [
      flag,
      { type: value ? ('string' as const) : ('boolean' as const) },
    ]),
  );
  const parse = {
    args,
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
    tokens: true,
  } as const;
  const flags: Record<string, string> = {};
  const operands: string[] = [];
  for (const token of parseArgs(parse).tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const { name: flag, rawName, value } = token;
    if (!Object.hasOwn(known, flag)) {
      const names = Object.keys(known).map((each) => `--${each}`);
      return mistake(name, `unknown flag ${rawName} (${hint(rawName, names)})`);
    }
    const { value: wanted, replaceable } = known[flag]!;
    if (wanted === undefined && value !== undefined) return mistake(name, `${rawName} takes no value`);
    const isMissing = value === undefined || (!token.inlineValue && value.startsWith('-'));
    if (wanted !== undefined && isMissing) return mistake(name, `${rawName} needs a value (${rawName} ${wanted})`);
    if (flag in flags && !replaceable) return mistake(name, `${rawName} is given twice`);
    flags[flag] = value ?? 'true';
  }
  if ('help' in flags) return { kind: 'help', text: commandHelp(name, command) };
  return checkComplete(name, command, flags, operands);
}

function checkComplete(name: string, command: Command, flags: Record<string, string>, operands: string[]): Parsed {
  const { operand } = command;
  const [first, ...others] = operands;
  for (const [flag, { required, value }] of Object.entries(command.flags)) {
    if (!required || flag in flags) continue;
    const likely = first ?? value ?? '';
    return mistake(
      name,
      `--${flag} is missing (${first ? 'did you mean ' : ''}--${flag} ${likely}${first ? '?' : ''})`,
    );
  }
  if (operand !== undefined && first === undefined)
    return mistake(name, `${operand} is missing (frameway ${name} ${operand})`);
  const extra = operand === undefined ? first : others[0];
  if (extra !== undefined) {
    const flag = nearest(extra, Object.keys(command.flags));
    return mistake(name, `unexpected argument ${extra}${flag ? ` (did you mean --${flag}?)` : ''}`);
  }
  return { kind: 'run', command: name, flags, operand: first ?? '' };
}

const withHelp = (flags: Command['flags']): Command['flags'] => ({ ...flags, help: { help: 'this text' } });

function usage(name: string, { operand, flags }: Command): string {
  const parts = Object.entries(flags).map(([flag, { value, required }]) => {
    const text = value ? `--${flag} ${value}` : `--${flag}`;
    return required ? text : `[${text}]`;
  });
  return ['frameway', name, ...(operand ? [operand] : []), ...parts].join(' ');
}

const table = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
};

function generalHelp(): string {
  const commands = Object.entries(COMMANDS).map(([name, command]) => [usage(name, command), command.summary] as const);
  const lines = commands.map(([text, summary]) => `  ${text}\n      ${summary}\n`).join('');
  return `frameway: a frame-level proxy for speech engines and any gRPC service

${lines}
  frameway COMMAND --help, frameway --version

Exit codes: 0 done, 1 no route (check --route), 64 wrong usage, 70 a bug, 71 an address cannot be bound, 78 wrong configuration.
`;
}

function commandHelp(name: string, command: Command): string {
  const flags = Object.entries(withHelp(command.flags));
  const rows = flags.map(([flag, { value, help }]) => [value ? `--${flag} ${value}` : `--${flag}`, help] as const);
  const more = command.more ? `\n${command.more()}` : '';
  return `${usage(name, command)}\n    ${command.summary}\n\n${table(rows)}${more}`;
}

function referenceText(): string {
  const rows = configReference().map(
    ({ key, type, fallback, help }) =>
      [key, `${help.replaceAll('`', '')} (${type}; ${fallback || 'has defaults'})`] as const,
  );
  return `Keys of the file (type; default):\n${table(rows)}
Scalars outside listeners, routes, upstreams, auth and tenants also come from the environment: FRAMEWAY_LOG_LEVEL for log.level.
`;
}
