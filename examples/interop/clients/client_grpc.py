"""Calls the echo service with grpcio, without generated code: `python client_grpc.py URL CLIENT`.

A line for each call: its case, its number, the status code's name, and whether all messages came back.
"""

import sys
import threading
from urllib.parse import urlsplit

import grpc

url, client = sys.argv[1:]
COUNT = 10
MESSAGES = [bytes([n]) * (1000 * n) for n in range(1, 6)]


class Calls:
    def __init__(self, channel):
        # Messages are bytes as they are.
        self.unary = channel.unary_unary("/interop.Echo/Unary")
        self.bidi = channel.stream_stream("/interop.Echo/Bidi")
        self.fail = channel.unary_unary("/interop.Echo/Fail")
        self.fail_stream = channel.stream_unary("/interop.Echo/Fail")
        self.missing = channel.unary_unary("/interop.Absent/Unary")

    def grpc_unary(self, metadata):
        return [self.unary(MESSAGES[0], metadata=metadata)] == MESSAGES[:1]

    def grpc_unary_empty(self, metadata):
        return self.unary(b"", metadata=metadata) == b""

    def grpc_unary_large(self, metadata):
        return self.unary(b"x" * (1 << 20), metadata=metadata) == b"x" * (1 << 20)

    def grpc_bidi(self, metadata):
        return list(self.bidi(iter(MESSAGES), metadata=metadata)) == MESSAGES

    def grpc_ping_pong(self, metadata):
        turn = threading.Semaphore(1)

        def sent():
            for message in MESSAGES:
                turn.acquire()
                yield message

        got = []
        for message in self.bidi(sent(), metadata=metadata):
            got.append(message)
            turn.release()
        return got == MESSAGES

    def grpc_bidi_empty(self, metadata):
        return list(self.bidi(iter(()), metadata=metadata)) == []

    def grpc_fail(self, metadata):
        return self.fail(MESSAGES[0], metadata=metadata)

    def grpc_fail_stream(self, metadata):
        return self.fail_stream(iter(MESSAGES), metadata=metadata)

    def grpc_unimplemented(self, metadata):
        return self.missing(MESSAGES[0], metadata=metadata)

    def grpc_cancel(self, metadata):
        """Cancelled after the first answer, with the upload still open."""
        end = threading.Event()

        def sent():
            yield MESSAGES[0]
            end.wait(5)

        call = self.bidi(sent(), metadata=metadata)
        next(call)
        call.cancel()
        end.set()
        return list(call) == []

    def grpc_deadline(self, metadata):
        """The deadline of the call passes, with the upload still open."""
        end = threading.Event()

        def sent():
            yield MESSAGES[0]
            end.wait(5)

        try:
            return list(self.bidi(sent(), metadata=metadata, timeout=0.1))
        finally:
            end.set()


def main():
    with grpc.insecure_channel(urlsplit(url).netloc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        calls = Calls(channel)
        for method in [name for name in dir(calls) if name.startswith("grpc_")]:
            name = method.replace("_", "-")
            for number in range(COUNT):
                try:
                    is_equal = getattr(calls, method)([("x-case", f"{name}/{number}/{client}")])
                    print(name, number, "OK", "equal" if is_equal else "different", sep="\t")
                except grpc.RpcError as error:
                    print(name, number, error.code().name, error.details(), sep="\t")


main()
