import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters, Layout } from '../../src/counters.ts';
import { renderMetrics, sampleProcess } from '../../src/control/metrics.ts';

interface Family {
  help: string;
  type: string;
  /** `name{labels}` as written -> value */
  readonly samples: Map<string, number>;
}

/** Reads the text format strictly: whatever is not as version 0.0.4 has it, throws. */
function parse(text: string): Map<string, Family> {
  assert.ok(text.endsWith('\n'));
  const families = new Map<string, Family>();
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      if (kind === 'HELP') {
        assert.ok(!families.has(name), `${name} twice`);
        families.set(name, { help: rest, type: '', samples: new Map() });
        current = name;
      } else {
        assert.equal(name, current);
        families.get(name)!.type = rest;
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\[\\"n])*",?)*\})? (\S+)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    const [, name, labels = '', value] = sample as unknown as [string, string, string | undefined, string];
    const family = families.get(current)!;
    assert.ok(
      name === current || (family.type === 'histogram' && /^(_bucket|_sum|_count)$/.test(name.slice(current.length))),
    );
    assert.ok(!family.samples.has(name + labels), `${line} twice`);
    family.samples.set(name + labels, Number(value.replace('Inf', 'Infinity')));
  }
  return families;
}

const sample = await sampleProcess('1.2.3');

test('help and type stand once for a metric that several scopes have', () => {
  const layout = new Layout();
  const calls = layout.counter('calls_total', 'Calls');
  const open = layout.gauge('open', 'Open now');
  const a = new Counters(layout, { endpoint: 'a' });
  const b = new Counters(layout, { endpoint: 'b' });
  a.add(calls, 3);
  b.add(calls, 2 ** 53);
  b.add(open, 1.5);
  const families = parse(renderMetrics([a, b], sample));
  assert.deepEqual(families.get('calls_total'), {
    help: 'Calls',
    type: 'counter',
    samples: new Map([
      ['calls_total{endpoint="a"}', 3],
      ['calls_total{endpoint="b"}', 2 ** 53],
    ]),
  });
  assert.equal(families.get('open')?.samples.get('open{endpoint="b"}'), 1.5);
});

test('a family has one line for each value of its label', () => {
  const layout = new Layout();
  const codes = layout.family('codes_total', 'Codes', 'code', ['OK', 'other']);
  const counters = new Counters(layout, { side: 'x' });
  counters.addTo(codes, 9, 2);
  assert.deepEqual(
    parse(renderMetrics([counters], sample)).get('codes_total')?.samples,
    new Map([
      ['codes_total{side="x",code="OK"}', 0],
      ['codes_total{side="x",code="other"}', 1],
    ]),
  );
});

test('histograms are cumulative, with a sum and a count', () => {
  const bounds = [0.1, 1];
  const layout = new Layout();
  const duration = layout.histogram('duration_seconds', 'Duration', bounds);
  const counters = new Counters(layout);
  for (const seconds of [0.0625, 0.5, 0.5, 4]) counters.observe(duration, bounds, seconds);
  assert.deepEqual(
    parse(renderMetrics([counters], sample)).get('duration_seconds')?.samples,
    new Map([
      ['duration_seconds_bucket{le="0.1"}', 1],
      ['duration_seconds_bucket{le="1"}', 3],
      ['duration_seconds_bucket{le="+Inf"}', 4],
      ['duration_seconds_sum', 5.0625],
      ['duration_seconds_count', 4],
    ]),
  );
});

test('labels and help are escaped', () => {
  const layout = new Layout();
  layout.counter('odd_total', 'a\\b\nc "d"');
  const text = renderMetrics([new Counters(layout, { endpoint: 'a"b\\c\nd' })], sample);
  const family = parse(text).get('odd_total');
  assert.equal(family?.help, 'a\\\\b\\nc "d"');
  assert.deepEqual([...family.samples.keys()], ['odd_total{endpoint="a\\"b\\\\c\\nd"}']);
});

test('the process is among the metrics', () => {
  const families = parse(renderMetrics([], sample));
  const value = (name: string) => families.get(name)?.samples.get(name) ?? NaN;
  assert.ok(value('process_cpu_seconds_total') > 0);
  assert.ok(value('process_resident_memory_bytes') > 1024 * 1024);
  assert.ok(Math.abs(value('process_start_time_seconds') - (Date.now() / 1000 - process.uptime())) < 5);
  assert.ok(value('nodejs_eventloop_lag_seconds') >= 0);
  assert.equal(families.get('frameway_build_info')?.samples.get('frameway_build_info{version="1.2.3"}'), 1);
});
