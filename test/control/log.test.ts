import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, type LogOptions } from '../../src/control/log.ts';
import type { Clock } from '../../src/control/throttle.ts';
import { Failures } from '../../src/errors.ts';
import type { ConnectionRecord, ExchangeRecord } from '../../src/journal.ts';

const EXCHANGE: ExchangeRecord = {
  method: 'POST',
  path: '/asr.Recognizer/Stream',
  authority: 'localhost',
  listener: 'main',
  upstream: 'asr',
  peer: '127.0.0.1:5000',
  route: null,
  identity: null,
  endpoint: '127.0.0.1:9001',
  grpcStatus: 0,
  httpStatus: 200,
  duration: 12.34567,
  firstByte: 1.5,
  receivedBytes: 3200,
  sentBytes: 64,
  receivedMessages: 10,
  sentMessages: 2,
  attempts: 1,
  failure: null,
};
const CONNECTION: ConnectionRecord = {
  side: 'downstream',
  peer: '127.0.0.1:5000',
  event: 'protocol_error',
  code: 'PROTOCOL_ERROR',
  message: 'DATA on stream 0',
};

/** Time that stands still until it is moved. */
class ManualClock implements Clock {
  private time = 0;
  private timers: { at: number; callback: () => void }[] = [];
  now(): number {
    return this.time;
  }
  after(ms: number, callback: () => void): void {
    this.timers.push({ at: this.time + ms, callback });
  }
  advance(ms: number): void {
    this.time += ms;
    const due = this.timers.filter(({ at }) => at <= this.time);
    this.timers = this.timers.filter(({ at }) => at > this.time);
    for (const { callback } of due) callback();
  }
}

function logging(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const clock = new ManualClock();
  const out = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: 'info', access: true, terminal: false, out, clock, ...options });
  const records = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, records, clock };
}

test('an exchange is one JSON line with all that is known of it', () => {
  const { log, lines, records } = logging();
  log.exchange(EXCHANGE);
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.indexOf('\n'), lines[0]!.length - 1);
  const { time, ...record } = records()[0]!;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(record, {
    level: 'info',
    msg: 'exchange',
    method: 'POST',
    path: '/asr.Recognizer/Stream',
    authority: 'localhost',
    peer: '127.0.0.1:5000',
    listener: 'main',
    upstream: 'asr',
    endpoint: '127.0.0.1:9001',
    grpc_status: 0,
    grpc_status_name: 'OK',
    http_status: 200,
    duration_ms: 12.346,
    first_byte_ms: 1.5,
    received_bytes: 3200,
    sent_bytes: 64,
    received_messages: 10,
    sent_messages: 2,
    attempts: 1,
  });
});

test('a failed exchange tells its cause, and leaves out what never was', () => {
  const { log, records } = logging();
  log.exchange({ ...EXCHANGE, failure: Failures.noEndpoint, grpcStatus: 14, endpoint: null, firstByte: null });
  const record = records()[0]!;
  assert.deepEqual([record['cause'], record['grpc_status_name']], ['no_endpoint', 'UNAVAILABLE']);
  assert.ok(!('endpoint' in record) && !('first_byte_ms' in record));
});

test('exchanges are logged only when the access log is on and its level is written', () => {
  for (const options of [{ access: false }, { level: 'warn' }, { level: 'silent' }]) {
    const { log, lines } = logging(options);
    assert.equal(log.access, false);
    log.exchange(EXCHANGE);
    assert.deepEqual(lines, []);
  }
  assert.equal(logging().log.access, true);
});

test('what a peer sends can neither break a line nor drive a terminal', () => {
  const path = '/a\nb\r\u001b[2J\u0085\u2028\u009bc';
  for (const terminal of [true, false]) {
    const { log, lines } = logging({ terminal });
    log.exchange({ ...EXCHANGE, path });
    log.connection({ ...CONNECTION, message: path });
    for (const line of lines) {
      // eslint-disable-next-line no-control-regex -- they are what must not be there
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      assert.ok(line.includes(terminal ? '/a\\x0ab' : '/a\\\\x0ab'), line);
    }
  }
});

test('an endless path does not make an endless line', () => {
  const { log, lines } = logging();
  log.exchange({ ...EXCHANGE, path: `/${'x'.repeat(60_000)}` });
  assert.ok(lines[0]!.length < 1200);
});

test('on a terminal an exchange is one short line', () => {
  const { log, lines } = logging({ terminal: true });
  log.exchange(EXCHANGE);
  log.exchange({ ...EXCHANGE, grpcStatus: 14, failure: Failures.noEndpoint, endpoint: null, duration: 61_000 });
  log.exchange({ ...EXCHANGE, grpcStatus: null, httpStatus: 404, method: 'GET' });
  const plain = lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));
  assert.deepEqual(plain, [
    'info  POST /asr.Recognizer/Stream OK 12.346ms 127.0.0.1:5000 -> 127.0.0.1:9001 3200B in, 64B out\n',
    'info  POST /asr.Recognizer/Stream UNAVAILABLE (no_endpoint) 1m1s 127.0.0.1:5000 -> - 3200B in, 64B out\n',
    'info  GET /asr.Recognizer/Stream 404 12.346ms 127.0.0.1:5000 -> 127.0.0.1:9001 3200B in, 64B out\n',
  ]);
});

test('on a terminal other lines have their fields behind the message', () => {
  const { log, lines } = logging({ terminal: true });
  log.connection(CONNECTION);
  log.info('listening', { port: 1 });
  assert.match(
    lines[0]!,
    /^[\d:]{8} WARN {2}DATA on stream 0 event=protocol_error side=downstream peer=127\.0\.0\.1:5000 code=PROTOCOL_ERROR\n$/,
  );
  assert.match(lines[1]!, /^[\d:]{8} info {2}listening port=1\n$/);
});

test('connection records warn only where somebody should look', () => {
  const { log, records } = logging();
  const levels = (record: Partial<ConnectionRecord>) => {
    log.connection({ ...CONNECTION, ...record });
    return records().at(-1)?.['level'];
  };
  assert.equal(levels({ event: 'protocol_error' }), 'warn');
  assert.equal(levels({ event: 'connect_failed', side: 'upstream' }), 'warn');
  assert.equal(levels({ event: 'limited' }), 'warn');
  for (const event of ['keepalive', 'resolve_failed', 'unhealthy', 'ejected'] as const) {
    assert.equal(levels({ event, side: 'upstream', code: null }), 'warn', event);
  }
  for (const event of ['healthy', 'returned', 'resolved'] as const) {
    assert.equal(levels({ event, side: 'upstream', code: null }), 'info', event);
  }
  assert.equal(levels({ event: 'bug' }), 'error');
  assert.equal(levels({ event: 'closed', code: null }), 'info');
  assert.equal(levels({ event: 'goaway_received', side: 'upstream', code: 'NO_ERROR' }), 'info');
  assert.equal(levels({ event: 'goaway_received', side: 'upstream', code: 'ENHANCE_YOUR_CALM' }), 'warn');
  assert.equal(levels({ event: 'goaway_received', side: 'downstream', code: 'PROTOCOL_ERROR' }), 'info');
});

test('a flood leaves ten lines a second of each kind, and one that counts the rest', () => {
  const { log, records, clock } = logging();
  for (let i = 0; i < 500; i++) log.connection(CONNECTION);
  log.connection({ ...CONNECTION, side: 'upstream', event: 'connect_failed' });
  assert.equal(records().length, 11);
  clock.advance(1000);
  assert.equal(records().length, 12);
  assert.equal(records()[11]?.['suppressed'], 490);
  assert.match(String(records()[11]?.['msg']), /^490 more lines like this were suppressed: downstream protocol_error$/);
  clock.advance(5000);
  assert.equal(records().length, 12);
  log.connection(CONNECTION);
  assert.equal(records().length, 13);
});

test('what was suppressed is told before the log ends', () => {
  const { log, records } = logging();
  for (let i = 0; i < 12; i++) log.connection(CONNECTION);
  log.flush();
  assert.equal(records().at(-1)?.['suppressed'], 2);
});

test('a fatal error has its stack', () => {
  const json = logging();
  json.log.fatal('uncaughtException', new Error('boom'));
  const error = json.records()[0]?.['err'] as { message: string; stack: string };
  assert.equal(error.message, 'boom');
  assert.match(error.stack, /log\.test\.ts/);
  const terminal = logging({ terminal: true });
  terminal.log.fatal('uncaughtException', new Error('boom'));
  assert.match(terminal.lines[0]!, /FATAL uncaughtException\nError: boom\n {4}at /);
});
