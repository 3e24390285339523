"""The requests that every HTTP client sends, and the file that tells a client of them.

A line of the file is one case, its fields parted by tabs: name, method, path, framing (`none`, `length`, `chunked`),
count, flags, headers and trailers (`name: value`, parted by U+001F), and the body's parts in base64, parted by commas.
A client answers with one line for each request: name, number, status, CRC-32 of the answer and its first 300
bytes in base64; or name, number, `error` and what happened.
"""

import base64
import dataclasses
import json
import zlib


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    method: str = "POST"
    path: str = "/bytes"
    framing: str = "none"
    parts: tuple = ()
    status: int = 200
    count: int = 10
    # expect; pause (between the parts); cancel (after the parts, before the end); early (the handler may answer before
    # the upload has ended, and the server then close the connection under the client)
    flags: frozenset = frozenset()
    headers: tuple = ()
    trailers: tuple = ()

    @property
    def is_read(self):
        """Whether the handler reads the body. One that it leaves unread has no copy, and is not expected to."""
        return self.path != "/ignore" and self.status != 404

    @property
    def body(self):
        return b"".join(self.parts)

    def line(self):
        parts = ",".join(base64.b64encode(part).decode() for part in self.parts)
        fields = [self.name, self.method, self.path, self.framing, str(self.count), ",".join(sorted(self.flags)),
                  "\x1f".join(": ".join(pair) for pair in self.headers),
                  "\x1f".join(": ".join(pair) for pair in self.trailers), parts]
        return "\t".join(fields) + "\n"

    def is_answered_by(self, status, crc, start):
        """What is wrong with the answer, if anything."""
        if status != self.status:
            return f"status {status}, not {self.status}"
        if self.method == "HEAD" or status != 200:
            return None
        if self.path == "/stream":
            return None if crc == zlib.crc32(self.body) else "another body than was sent"
        if self.path in ("/echo", "/bytes", "/frames"):
            said = json.loads(start)
            if (said["bytes"], said["crc"]) != (len(self.body), zlib.crc32(self.body)):
                return f"the primary got {said['bytes']} bytes of {len(self.body)}, or others"
        return None


def noise(length, seed):
    """Bytes that do not repeat soon, the same in every run."""
    made, state = bytearray(), seed
    while len(made) < length:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        made += state.to_bytes(8, "little")
    return bytes(made[:length])


def form():
    """One field, and the last CRLF in a part of its own."""
    text = b"field " * 200
    head = b'--limit\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
    return head + text + b"\r\n--limit--", b"\r\n"


JSON = json.dumps({"item": "watch", "count": 3, "note": "x" * 2000}, separators=(",", ":"), sort_keys=True).encode()
FORM = ("content-type", "multipart/form-data; boundary=limit")
SMALL, LARGE = noise(5000, 1), noise(1 << 20, 2)
HALVES = SMALL[:2500], SMALL[2500:]
PAUSE, EARLY = frozenset({"pause"}), frozenset({"early"})
COOKIES = ("cookie", "; ".join(f"c{n}={n * n}" for n in range(8)))

CASES = [
    Case("get", "GET", "/echo"),
    Case("head", "HEAD", "/echo"),
    Case("delete", "DELETE", "/echo"),
    Case("options-asterisk", "OPTIONS", "*", status=404),
    Case("get-404", "GET", "/missing?a=1&a=2", status=404),
    Case("get-cookies", "GET", "/echo", headers=(COOKIES, ("x-large", "v" * 4000))),
    Case("length", framing="length", parts=(SMALL,)),
    Case("length-two-writes", framing="length", parts=HALVES, flags=PAUSE),
    Case("length-0", framing="length", parts=()),
    Case("length-1MiB", framing="length", parts=(LARGE,), count=5),
    Case("length-frames", path="/frames", framing="length", parts=(SMALL,)),
    Case("chunked", framing="chunked", parts=HALVES),
    Case("chunked-pauses", framing="chunked", parts=HALVES, flags=PAUSE),
    Case("chunked-empty", framing="chunked", parts=()),
    Case("chunked-1MiB", framing="chunked", parts=tuple(LARGE[at:at + (64 << 10)] for at in range(0, 1 << 20, 64 << 10)),
         count=5),
    Case("json", path="/json", framing="length", parts=(JSON,), headers=(("content-type", "application/json"),)),
    Case("multipart", path="/multipart", framing="length", parts=form(), headers=(FORM,), flags=EARLY),
    Case("multipart-chunked", path="/multipart", framing="chunked", parts=form(), headers=(FORM,), flags=EARLY),
    Case("multipart-late-crlf", path="/multipart", framing="chunked", parts=form(), headers=(FORM,), flags=PAUSE | EARLY),
    Case("stream", path="/stream", framing="chunked", parts=(LARGE[:32 << 10], LARGE[32 << 10:64 << 10]),
         flags=PAUSE | EARLY),
    Case("expect", framing="length", parts=(SMALL,), flags=frozenset({"expect"})),
    Case("trailers", path="/frames", framing="chunked", parts=HALVES, headers=(("trailer", "x-checksum"),),
         trailers=(("x-checksum", "17"),)),
    Case("trailers-collected", framing="chunked", parts=HALVES, headers=(("trailer", "x-checksum"),),
         trailers=(("x-checksum", "17"),)),
    Case("trailers-length", path="/frames", framing="length", parts=HALVES, headers=(("trailer", "x-checksum"),),
         trailers=(("x-checksum", "17"),)),
    Case("trailers-unannounced", path="/frames", framing="chunked", parts=HALVES, trailers=(("x-late", "1"),)),
    Case("trailers-cache-control", path="/frames", framing="chunked", parts=HALVES, headers=(("trailer", "cache-control"),),
         trailers=(("cache-control", "no-store"),)),
    Case("ignored", path="/ignore", framing="length", parts=(SMALL,), flags=EARLY),
    Case("ignored-chunked", path="/ignore", framing="chunked", parts=HALVES, flags=EARLY),
    Case("post-404", path="/missing", framing="length", parts=(SMALL,), status=404, flags=EARLY),
    Case("cancel-length", framing="length", parts=(SMALL,), flags=frozenset({"cancel"})),
    Case("cancel-chunked", framing="chunked", parts=(SMALL,), flags=frozenset({"cancel"})),
]
CASES = {case.name: case for case in CASES}
