/** What a peer may make the gateway hold or do. The defaults are those of the snapshot. */
import { DEFAULT_LIMITS } from '../snapshot.ts';
import { formatSize } from '../units.ts';
import { DAY, HOUR, KIB, MANY, MIB, notLess } from './bounds.ts';
import { duration, field, integer, size, sizeOrShare } from './readers.ts';
import { object } from './schema.ts';

const D = DEFAULT_LIMITS;
/** @param memory what a share of the memory limit is a share of, in bytes */
export const limits = (memory: number) =>
  object(
    'limits',
    {
      max_concurrent_streams: field(
        integer(1, 100_000),
        D.maxConcurrentStreams,
        'Streams a client may have open on one connection',
      ),
      max_refused_streams: field(
        integer(1, MANY),
        D.maxRefusedStreams,
        'Refused streams before the connection is sent away',
      ),
      max_header_list_size: field(
        size(KIB, 16 * MIB),
        D.maxHeaderListSize,
        'Decoded headers; over twice it the connection ends',
      ),
      max_header_fields: field(integer(1, 100_000), D.maxHeaderFields, 'Header fields before the stream is refused'),
      max_header_fields_hard: field(
        integer(1, 100_000),
        D.maxHeaderFieldsHard,
        'Header fields before the connection ends',
      ),
      max_header_block_size: field(
        size(KIB, 16 * MIB),
        D.maxHeaderBlockSize,
        'Encoded headers, with CONTINUATION frames',
      ),
      max_continuation_frames: field(
        integer(1, 10_000),
        D.maxContinuationFrames,
        'CONTINUATION frames of one header block',
      ),
      reset_burst: field(integer(1, MANY), D.resetBurst, 'Streams a client may reset at once'),
      reset_rate: field(integer(1, MANY), D.resetRate, 'Streams a client may reset per second, after the burst'),
      max_queued_answers: field(
        integer(1, MANY),
        D.maxQueuedAnswers,
        'Unsent answers to PING and SETTINGS before reading stops',
      ),
      max_queued_answers_hard: field(
        integer(1, MANY),
        D.maxQueuedAnswersHard,
        'Unsent answers before the connection ends',
      ),
      max_empty_data_frames: field(integer(1, MANY), D.maxEmptyDataFrames, 'Empty DATA frames in a row'),
      max_output: field(size(64 * KIB, 64 * MIB), D.maxOutput, 'Unsent output over which a connection is not read'),
      write_stall_timeout: field(
        duration(100, DAY),
        D.writeStallTimeout,
        'A connection that takes no byte of its output is closed',
      ),
      slow_read_timeout: field(
        duration(100, DAY),
        D.slowReadTimeout,
        'A stream whose waiting bytes do not move is reset',
      ),
      handshake_timeout: field(
        duration(100, HOUR),
        D.handshakeTimeout,
        'For the preface, the SETTINGS ACK, the rest of a header block',
      ),
      idle_timeout: field(duration(100, 7 * DAY), D.idleTimeout, 'A client connection without streams is closed'),
      replay_buffer: field(size(0, 16 * MIB), D.replayBuffer, 'Request bytes kept for a retry, per call'),
      pipeline_buffer: field(
        size(KIB, 16 * MIB),
        D.pipelineBuffer,
        'HTTP/1.1: bytes of later requests that are read ahead, per connection',
      ),
      buffer_budget: {
        reader: sizeOrShare(memory, 4 * MIB),
        fallback: '25%',
        help: 'All bytes that wait in the process: a size, or a share of the memory limit',
      },
    },
    (draft, at) => {
      notLess(draft, at, 'max_header_fields_hard', 'max_header_fields', String);
      notLess(draft, at, 'max_queued_answers_hard', 'max_queued_answers', String);
      notLess(draft, at, 'buffer_budget', 'max_output', formatSize);
      notLess(draft, at, 'buffer_budget', 'replay_buffer', formatSize);
      notLess(draft, at, 'buffer_budget', 'pipeline_buffer', formatSize);
    },
  );
