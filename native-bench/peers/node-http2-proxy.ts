/** The proxy that anyone would write first on `node:http2`: one upstream session, streams piped both ways. */
import {
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  connect,
  constants,
  createServer,
} from 'node:http2';

const [listen, backend] = process.argv.slice(2).map(Number);

let shared: ClientHttp2Session | undefined;

function upstream(): ClientHttp2Session {
  if (shared === undefined || shared.closed || shared.destroyed) {
    shared = connect(`http://127.0.0.1:${backend}`);
    shared.on('error', () => undefined);
  }
  return shared;
}

function forward(downstream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number): void {
  const bodyless = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  const request = upstream().request(headers, { endStream: bodyless });

  request.on('response', (response) => {
    if (downstream.destroyed) return;
    downstream.respond(response, { waitForTrailers: true });
    request.pipe(downstream);
  });
  let trailers: IncomingHttpHeaders = {};
  request.on('trailers', (received: IncomingHttpHeaders) => (trailers = received));
  downstream.on('wantTrailers', () => downstream.sendTrailers(trailers));
  if (!bodyless) downstream.pipe(request);

  request.on('error', () => downstream.close(request.rstCode || constants.NGHTTP2_INTERNAL_ERROR));
  downstream.on('error', () => request.close(constants.NGHTTP2_CANCEL));
  downstream.on('aborted', () => request.close(constants.NGHTTP2_CANCEL));
}

createServer().on('stream', forward).listen(listen, '127.0.0.1');
