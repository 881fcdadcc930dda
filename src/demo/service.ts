/** The methods of `asr.v1.Recognizer`, one of each kind of gRPC call. */
import { GrpcStatus } from '../errors.ts';
import { GrpcError, type Method } from './grpc.ts';
import { decodeAudioChunk, decodeRecognizeRequest, encodePartial, encodeTranscript } from './messages.ts';
import type { RecognizeRequest } from './messages.ts';
import { Transcriber } from './transcriber.ts';

const STREAM_SAMPLE_RATE = 16_000;
const SEGMENT_MS = 500;

async function only(requests: AsyncIterable<Buffer>): Promise<RecognizeRequest> {
  let first: Buffer | undefined;
  for await (const request of requests) {
    if (first) throw new GrpcError(GrpcStatus.UNIMPLEMENTED, 'this method takes one message');
    first = request;
  }
  if (!first) throw new GrpcError(GrpcStatus.UNIMPLEMENTED, 'this method needs a message');
  const { audio, sampleRate } = decodeRecognizeRequest(first);
  const rate = sampleRate === 0 ? STREAM_SAMPLE_RATE : sampleRate;
  if (rate < 8000 || rate > 48_000) throw new GrpcError(GrpcStatus.INVALID_ARGUMENT, 'sample_rate: 8000 to 48000');
  return { audio, sampleRate: rate };
}

const transcript = ({ text, receivedMs, voicedMs }: Transcriber, engine: string): Buffer =>
  encodeTranscript({ text, receivedMs, voicedMs, engine });

const partial = ({ text, level, receivedMs }: Transcriber, engine: string, seq: number, final: boolean): Buffer =>
  encodePartial({ seq, text, level, final, receivedMs, engine });

export const recognizer = (engine: string): ReadonlyMap<string, Method> =>
  new Map<string, Method>([
    [
      '/asr.v1.Recognizer/Recognize',
      async function* (requests) {
        const { audio, sampleRate } = await only(requests);
        const transcriber = new Transcriber(sampleRate);
        transcriber.hear(audio);
        yield transcript(transcriber, engine);
      },
    ],
    [
      '/asr.v1.Recognizer/RecognizeUpload',
      async function* (requests) {
        const transcriber = new Transcriber(STREAM_SAMPLE_RATE);
        for await (const request of requests) transcriber.hear(decodeAudioChunk(request).audio);
        yield transcript(transcriber, engine);
      },
    ],
    [
      '/asr.v1.Recognizer/RecognizeSegments',
      async function* (requests) {
        const { audio, sampleRate } = await only(requests);
        const transcriber = new Transcriber(sampleRate);
        const segment = Math.floor((sampleRate * SEGMENT_MS) / 1000) * 2;
        for (let seq = 0, at = 0; seq === 0 || at < audio.length; seq++, at += segment) {
          transcriber.hear(audio.subarray(at, at + segment));
          yield partial(transcriber, engine, seq, at + segment >= audio.length);
        }
      },
    ],
    [
      '/asr.v1.Recognizer/Stream',
      async function* (requests) {
        const transcriber = new Transcriber(STREAM_SAMPLE_RATE);
        let seq = 0;
        for await (const request of requests) {
          const chunk = decodeAudioChunk(request);
          seq = chunk.seq;
          transcriber.hear(chunk.audio);
          yield partial(transcriber, engine, seq, false);
        }
        yield partial(transcriber, engine, seq, true);
      },
    ],
  ]);
