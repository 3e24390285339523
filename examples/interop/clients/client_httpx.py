"""Sends the cases of a plan with httpx: `python client_httpx.py http1|http2 URL PLAN CLIENT`. See `plan.py`."""

import base64
import sys
import time
import zlib

import httpx

kind, url, plan, client = sys.argv[1:]


class Cancelled(Exception):
    pass


def pairs(text):
    return [tuple(line.split(": ", 1)) for line in text.split("\x1f") if line]


def body(parts, flags):
    for at, part in enumerate(parts):
        if at > 0 and "pause" in flags:
            time.sleep(0.02)
        yield part
    if "cancel" in flags:
        time.sleep(0.03)
        raise Cancelled
    if "pause" in flags:
        time.sleep(0.02)


def main():
    with httpx.Client(http1=kind == "http1", http2=kind == "http2", base_url=url, trust_env=False, timeout=20) as session:
        for line in open(plan, encoding="utf-8"):
            name, method, path, framing, count, flags, headers, trailers, parts = line.rstrip("\n").split("\t")
            parts = [base64.b64decode(part) for part in parts.split(",") if part]
            flags = set(flags.split(","))
            length = sum(map(len, parts)) + (1000 if "cancel" in flags else 0)
            for number in range(int(count)):
                sent = [*pairs(headers), ("x-case", f"{name}/{number}/{client}")]
                content = None
                if framing == "length":
                    sent.append(("content-length", str(length)))
                    is_one = len(parts) < 2 and "cancel" not in flags
                    content = b"".join(parts) if is_one else body(parts, flags)
                elif framing == "chunked":
                    content = body(parts, flags)
                if "expect" in flags:
                    sent.append(("expect", "100-continue"))
                try:
                    answer = session.request(method, path, headers=sent, content=content)
                    start = base64.b64encode(answer.content[:300]).decode()
                    print(name, number, answer.status_code, zlib.crc32(answer.content), start, sep="\t")
                except (httpx.HTTPError, Cancelled) as error:
                    print(name, number, "error", f"{type(error).__name__} {error}".strip(), sep="\t")


main()
