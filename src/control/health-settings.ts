/** Which endpoints are fit to be chosen: by asking them, and by looking at their calls. */
import { formatDuration } from '../units.ts';
import { DAY, HOUR, MANY, notLess } from './bounds.ts';
import { boolean, duration, integer, oneOf, orOn, orOnly, orZero, percentage, text } from './readers.ts';
import { object } from './schema.ts';

const service = text('service', 'like asr.Recognizer; empty: the whole server', (written) =>
  /^[A-Za-z0-9_.\-/]{0,256}$/.test(written) ? written : undefined,
);
const path = text('path', 'like /healthz', (written) => (/^\/[!-~]{0,1023}$/.test(written) ? written : undefined));

/** `health: grpc` is enough. */
export const health = orOnly(
  object(
    'health',
    {
      kind: { reader: oneOf(['grpc', 'http', 'tcp']), help: 'grpc.health.v1, a GET, or a connect alone' },
      service: {
        reader: service,
        fallback: { value: '', shown: 'the whole server' },
        help: 'grpc: the service to ask for',
      },
      watch: { reader: boolean, fallback: 'false', help: 'grpc: Watch instead of Check' },
      path: { reader: path, fallback: '/healthz', help: 'http: what to GET; any 2xx is healthy' },
      interval: { reader: duration(100, DAY), fallback: '5s', help: 'Between two probes' },
      timeout: { reader: duration(1, HOUR), fallback: '3s', help: 'For the answer to a probe' },
      jitter: { reader: percentage(), fallback: '10%', help: 'Added to an interval at random' },
      unhealthy_threshold: { reader: integer(1, 1000), fallback: '3', help: 'Failures in a row that take it out' },
      healthy_threshold: { reader: integer(1, 1000), fallback: '2', help: 'Successes in a row that bring it back' },
    },
    (draft, at) => {
      const { kind, watch } = draft;
      notLess(draft, at, 'interval', 'timeout', formatDuration);
      if (!kind || kind === 'grpc') return;
      if (watch) at.key('watch').wrong(`there is no Watch in ${kind}`, 'kind: grpc');
      if (draft.service) at.key('service').wrong(`there are no services in ${kind}`, 'kind: grpc');
    },
  ),
  'kind',
);

export const outlier = orOn(
  object(
    'outlier',
    {
      consecutive_failures: { reader: integer(1, MANY), fallback: '5', help: 'Failures in a row that eject' },
      failure_share: { reader: orZero(percentage(0.01)), fallback: 'off', help: 'Share of failures that ejects' },
      minimum_requests: { reader: integer(1, MANY), fallback: '20', help: 'Calls in an interval to speak of a share' },
      interval: { reader: duration(100, DAY), fallback: '10s', help: 'Over which the share is taken' },
      base_ejection: { reader: duration(100, DAY), fallback: '10s', help: 'Ban, times the ejections in a row' },
      max_ejection: { reader: duration(100, DAY), fallback: '5m', help: 'Longest ban' },
      max_ejected: { reader: percentage(), fallback: '50%', help: 'Endpoints that may be out at once; one always may' },
    },
    (draft, at) => notLess(draft, at, 'max_ejection', 'base_ejection', formatDuration),
  ),
);
