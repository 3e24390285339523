"""Records requests as the `interop` example does, for the servers of Python: `app` for WSGI, `asgi` for ASGI, and gRPC.

`RECORD` in the environment is the file that gets a line for each request. As a program it is a grpcio server:
`python server.py PORT`, whose methods read all messages and answer with an empty one.
"""

import json
import os
import sys
import threading
import zlib

LOCK = threading.Lock()


def record(line):
    with LOCK, open(os.environ["RECORD"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class Counted:
    def __init__(self):
        self.bytes, self.crc = 0, 0

    def add(self, data):
        self.bytes += len(data)
        self.crc = zlib.crc32(data, self.crc)


def answer(path, counted, kept):
    """The status and the body that the application of the example answers with."""
    if path == "/missing":
        return 404, b""
    if path == "/stream":
        return 200, kept
    return 200, json.dumps({"bytes": counted.bytes, "crc": counted.crc}).encode()


def app(environ, start_response):
    counted, kept, end = Counted(), b"", "whole"
    if environ["PATH_INFO"] not in ("/ignore", "/missing"):
        try:
            while data := environ["wsgi.input"].read(65536):
                counted.add(data)
                kept += data if environ["PATH_INFO"] == "/stream" else b""
        except Exception as error:  # each server has exceptions of its own for a body that breaks off
            end = f"aborted: {error!r}"
    else:
        end = "left"
    declared = environ.get("CONTENT_LENGTH")
    if end == "whole" and declared and int(declared) != counted.bytes:
        end = "aborted: it is shorter than it says"
    fields = [[name[5:].replace("_", "-").lower(), value] for name, value in environ.items() if name.startswith("HTTP_")]
    for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        if environ.get(name):
            fields.append([name.replace("_", "-").lower(), environ[name]])
    record({"method": environ["REQUEST_METHOD"], "target": environ["PATH_INFO"], "version": environ["SERVER_PROTOCOL"],
            "headers": fields, "bytes": counted.bytes, "crc": counted.crc, "trailers": None, "end": end})
    status, body = answer(environ["PATH_INFO"], counted, kept)
    start_response(f"{status} -", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    counted, kept, end = Counted(), b"", "left"
    while scope["path"] not in ("/ignore", "/missing"):
        message = await receive()
        if message["type"] == "http.disconnect":
            end = "aborted: disconnected"
            break
        counted.add(message.get("body", b""))
        kept += message.get("body", b"") if scope["path"] == "/stream" else b""
        if not message.get("more_body"):
            end = "whole"
            break
    fields = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    declared = dict(fields).get("content-length")
    if end == "whole" and declared and int(declared) != counted.bytes:
        end = "aborted: it is shorter than it says"
    record({"method": scope["method"], "target": scope["path"], "version": scope["http_version"], "headers": fields,
            "bytes": counted.bytes, "crc": counted.crc, "trailers": None, "end": end})
    status, body = answer(scope["path"], counted, kept)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})


def grpc_server(port):
    from concurrent import futures

    import grpc

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            if "/interop.Echo/" not in details.method:
                return None
            fields = [list(pair) for pair in details.invocation_metadata]
            fails = details.method.endswith("/Fail")

            def called(messages, context):
                counted, end = Counted(), "whole"
                try:
                    if fails:
                        end = "left"
                        context.abort(grpc.StatusCode.NOT_FOUND, "")
                    for message in messages:
                        # What is on the wire: a message has a head of five bytes.
                        counted.add(b"\0" + len(message).to_bytes(4, "big") + message)
                    end = "whole" if context.is_active() else "aborted: cancelled"
                except grpc.RpcError:
                    end = "aborted: cancelled"
                finally:
                    record({"method": "POST", "target": details.method, "version": "HTTP/2.0", "headers": fields,
                            "bytes": counted.bytes, "crc": counted.crc, "trailers": None, "end": end})
                yield b""

            return grpc.stream_stream_rpc_method_handler(called)

    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    grpc_server(sys.argv[1])
