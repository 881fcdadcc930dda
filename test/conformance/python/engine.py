"""A grpcio (gRPC C-core) server for the keepalive suite, with the methods of ../go/main.go. Messages are plain bytes."""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

CHUNK = bytes(3200)
PAUSE = 0.1
# A stream holds a thread as long as it lives.
THREADS = 64


def echo(request, _context):
    return request


def upload(requests, _context):
    for _ in requests:
        pass
    return b""


def download(request, context):
    until = time.monotonic() + int(request) / 1000
    while time.monotonic() < until and context.is_active():
        yield CHUNK
        time.sleep(PAUSE)


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Upload": grpc.stream_unary_rpc_method_handler(upload),
    "Download": grpc.unary_stream_rpc_method_handler(download),
}


def main():
    parser = argparse.ArgumentParser()
    least = "least ms between a client's PINGs; 0: C-core's default, 5 minutes"
    parser.add_argument("--min-time", type=int, default=0, help=least)
    min_time = parser.parse_args().min_time
    options = [("grpc.http2.min_ping_interval_without_data_ms", min_time)] if min_time > 0 else []
    server = grpc.server(ThreadPoolExecutor(THREADS), options=options)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Bytes", HANDLERS)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


main()
