"""The clients: which cases each can send, and how it is started. A run gives a list of answers."""

import base64
import dataclasses
import re
import shutil
import subprocess
import time
import zlib

from bench import HERE, LIMIT, VENV, WORK
from plan import CASES

ODD = {"options-asterisk"}  # a target that most clients cannot send
TRAILERS = {name for name in CASES if name.startswith("trailers")}
CLASSES = WORK / "classes"
CURL_COUNT = 3  # each request is a process of its own


@dataclasses.dataclass
class Answer:
    case: str
    number: int
    status: int | None = None
    crc: int = 0
    start: bytes = b""
    error: str | None = None


@dataclasses.dataclass
class Client:
    name: str
    protocol: str
    version: str
    run: object  # (url, folder, cases) -> answers
    without: set

    def cases(self, without=frozenset()):
        return [case for name, case in CASES.items() if name not in self.without | set(without)]

    @property
    def title(self):
        return f"{self.name} {self.version}, {self.protocol}"


def said(command, pattern=r"(\d+(?:\.\d+)+)"):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "?"


def parsed(text):
    answers = []
    for line in text.splitlines():
        name, number, status, *rest = line.split("\t")
        if status == "error":
            answers.append(Answer(name, int(number), error=rest[0]))
        else:
            start = base64.b64decode(rest[1]) if len(rest) > 1 else b""
            answers.append(Answer(name, int(number), int(status), int(rest[0]), start))
    return answers


def by_plan(*command):
    def run(url, folder, cases):
        plan = folder / "plan.tsv"
        plan.write_text("".join(case.line() for case in cases))
        words = [str(word) for word in (*command, url, plan, "client")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
        (folder / "client.log").write_text(done.stdout + done.stderr)
        return parsed(done.stdout)

    return run


def by_curl(*flags):
    def run(url, folder, cases):
        answers = []
        upload, shown = folder / "upload", folder / "shown"
        for case in cases:
            upload.write_bytes(case.body)
            for number in range(min(case.count, CURL_COUNT)):
                shown.write_bytes(b"")
                command = ["curl", "-sS", "-o", str(shown), "-w", "%{http_code}", "--max-time", "20"]
                for pair in (*case.headers, ("x-case", f"{case.name}/{number}/client")):
                    command += ["-H", ": ".join(pair)]
                command += ["-I"] if case.method == "HEAD" else ["-X", case.method]
                command += ["-H", "Expect: 100-continue" if "expect" in case.flags else "Expect:"]
                if case.framing == "length":
                    command += ["--data-binary", f"@{upload}"]
                elif case.framing == "chunked":
                    command += ["-T", "-"]
                # The address that `--proxy` takes is the server's; the target is then in absolute form, with another host.
                command += ["--noproxy", "*", *flags] if flags != ("--proxy",) else ["--noproxy", "", *flags]
                where = [url + case.path] if flags != ("--proxy",) else [url, f"http://catalog.example{case.path}"]
                answers.append(curl(command + where, case, number, shown))
        return answers

    return run


def curl(command, case, number, shown):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if case.framing == "chunked":
            for at, part in enumerate(case.parts):
                if at and "pause" in case.flags:
                    time.sleep(0.02)
                process.stdin.write(part)
                process.stdin.flush()
            if "cancel" in case.flags:
                time.sleep(0.1)
                process.kill()
    except BrokenPipeError:
        pass
    status, errors = process.communicate(timeout=30)
    if process.returncode:
        return Answer(case.name, number, error=f"{process.returncode} {errors.decode().strip()}")
    body = shown.read_bytes()
    return Answer(case.name, number, int(status), zlib.crc32(body), body[:300])


def by_nghttp(*flags):
    """nghttp shows frames, not bodies: what the primary got is known from its record."""

    def run(url, folder, cases):
        answers = []
        upload = folder / "upload"
        for case in cases:
            upload.write_bytes(case.body)
            for number in range(min(case.count, CURL_COUNT)):
                command = ["nghttp", "-v", "-t", "10", *flags, f"-H:method: {case.method}"]
                for pair in (*case.headers, ("x-case", f"{case.name}/{number}/client")):
                    command += ["-H", ": ".join(pair)]
                if case.framing != "none":
                    command += ["-d", str(upload)]
                command += ["--no-content-length"] if case.framing == "chunked" else []
                command += ["--expect-continue"] if "expect" in case.flags else []
                for pair in case.trailers:
                    command += ["--trailer", ": ".join(pair)]
                done = subprocess.run(command + [url + case.path], capture_output=True, timeout=30, check=False)
                codes = re.findall(rb"(?::status: |HTTP/1.1 )(\d+)", done.stdout)
                final = [int(code) for code in codes if int(code) >= 200]
                answer = Answer(case.name, number, final[-1], -1) if final else Answer(case.name, number, error="no answer")
                answers.append(answer)
        return answers

    return run


def known():
    """The clients that are there, and what to say of those that are not."""
    python, clients, missing = VENV / "bin/python", [], []
    pauses = {name for name, case in CASES.items() if {"pause", "cancel"} & case.flags} | ODD

    if shutil.which("curl"):
        version = said(["curl", "--version"])
        without = TRAILERS | ODD | {"length-two-writes", "cancel-length"}
        for protocol, flag in (("HTTP/1.1", "--http1.1"), ("HTTP/1.1 with an offer of h2c", "--http2"),
                               ("HTTP/2", "--http2-prior-knowledge"), ("HTTP/1.1 as through a proxy", "--proxy")):
            clients.append(Client("curl", protocol, version, by_curl(flag), without))
    else:
        missing.append("curl: apt-get install curl")
    if shutil.which("nghttp"):
        version = said(["nghttp", "--version"])
        clients.append(Client("nghttp", "HTTP/2", version, by_nghttp(), pauses))
        clients.append(Client("nghttp", "HTTP/2 padded", version, by_nghttp("-b", "20"), pauses))
        # hyper accepts no upgrade: nghttp sends a GET as the offer, and nothing after the ordinary answer to it.
        without = {name for name, case in CASES.items() if case.method != "GET"}
        clients.append(Client("nghttp", "HTTP/1.1 with an offer of h2c", version, by_nghttp("-u"), without))
    else:
        missing.append("nghttp: apt-get install nghttp2-client")
    if shutil.which("node"):
        version = said(["node", "--version"])
        program = HERE / "clients/client.mjs"
        clients.append(Client("Node http", "HTTP/1.1", version, by_plan("node", program, "http1"), {"trailers-length"}))
        clients.append(Client("Node http2", "HTTP/2", version, by_plan("node", program, "http2"), set()))
        without = TRAILERS | ODD | {"length-two-writes", "cancel-length", "expect"}
        clients.append(Client("Node fetch", "HTTP/1.1", version, by_plan("node", program, "fetch"), without))
    else:
        missing.append("node (20.15 or later): apt-get install nodejs")
    if python.exists() and (VENV / "bin/httpx").exists():
        version = said([python, "-c", "import httpx; print(httpx.__version__)"])
        program = HERE / "clients/client_httpx.py"
        for protocol, kind in (("HTTP/1.1", "http1"), ("HTTP/2", "http2")):
            clients.append(Client("httpx", protocol, version, by_plan(python, program, kind), TRAILERS | ODD))
    else:
        missing.append(f"httpx: python3 -m venv {VENV}; {VENV}/bin/pip install 'httpx[http2]'")
    if shutil.which("javac"):
        subprocess.run(["javac", "-d", CLASSES, HERE / "clients/Client.java"], check=True)
        version = said(["java", "-version"])
        for name, protocol, kind in (("Java HttpClient", "as it comes: offers h2c", "default"),
                                     ("Java HttpClient", "HTTP/1.1", "http1"),
                                     ("Java HttpURLConnection", "HTTP/1.1", "connection")):
            clients.append(Client(name, protocol, version, by_plan("java", "-cp", CLASSES, "Client", kind), TRAILERS | ODD))
    else:
        missing.append("java: apt-get install default-jdk-headless")
    return clients, missing
