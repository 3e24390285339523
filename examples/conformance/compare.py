#!/usr/bin/env python3
"""Puts the conformance cases to the proxy in both modes, to Envoy and to nginx, and prints a
table. `--write` puts it into docs/conformance.md as well.

    cargo build --bins --examples
    python3 examples/conformance/compare.py --envoy envoy --nginx nginx --write

Uses the ports 19001 to 19004, 19200 to 19211 and 19300 to 19311 on the loopback device, and ends what it started.
"""

import argparse
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PRIMARY, SHADOW, SECOND, DEAD = (f"127.0.0.1:{port}" for port in range(19001, 19005))
SETTINGS = ["all", "none", "tenth", "fifth", "third", "half", "keep", "literal", "limit", "heads", "two", "dead"]
OURS = {
    "none": ["--percent", "0"],
    "tenth": ["--percent", "10"],
    "fifth": ["--percent", "20"],
    "third": ["--percent", "35"],
    "half": ["--percent", "50"],
    "keep": ["--preserve-host"],
    "literal": ["--host", "v2.internal:80"],
    "limit": ["--max-body-bytes", "65536"],
}
BEGIN, END = "<!-- wire -->\n", "<!-- /wire -->\n"


class Started:
    """Processes, all of which end with it."""

    def __init__(self):
        self.processes = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.processes.close()

    def start(self, command, **options):
        process = subprocess.Popen(command, **options)
        self.processes.callback(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def conformance(settings, *more):
    command = [ROOT / "target/debug/examples/conformance", "--primary", PRIMARY, "--shadow", SHADOW, "--second", SECOND]
    for setting, address in settings:
        command += ["--proxy", f"{setting}=http://{address}"]
    said = subprocess.run([*command, *more], stdout=subprocess.PIPE, text=True, check=False)
    if said.returncode not in (0, 1):
        raise SystemExit("the cases did not run")
    lines = (line.split("\t", 2) for line in said.stdout.splitlines())
    return {name: (verdict, why) for name, verdict, why in lines}


def ours(body, only):
    with Started() as started:

        def proxy(setting, primary, shadow):
            options = OURS.get(setting, []) + ["--body", "head-only" if setting == "heads" else body]
            sides = ["--primary", f"http://{primary}", "--shadow", f"http://{shadow}"]
            listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain-timeout-ms", "0"]
            program = ROOT / "target/debug/tower-mirror-proxy"
            process = started.start([program, *listen, *sides, *options], stdout=subprocess.PIPE, text=True)
            return [process.stdout.readline().split()[-1] for _ in range(2)]

        settings, admins = [], []
        for setting in SETTINGS:
            if body == "streaming" and setting in ("limit", "heads"):
                continue
            address, admin = proxy(setting, PRIMARY, DEAD if setting == "dead" else SHADOW)
            admins.append((setting, admin))
            if setting == "two":
                # The proxy has one shadow, so that two proxies in a row are needed for two shadows.
                address, admin = proxy(setting, address, SECOND)
                admins.append((setting, admin))
            settings.append((setting, address))
        admin_options = [word for setting, admin in admins for word in ("--admin", f"{setting}=http://{admin}")]
        return conformance(settings, *admin_options, "--mark", "x-mirrored-by", "--only", only)


def listens(port):
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"no server listens on port {port}")


def other(command, first, without, only):
    with Started() as started:
        started.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        listens(first)
        listens(first + len(SETTINGS) - 1)
        settings = [(s, f"127.0.0.1:{first + at}") for at, s in enumerate(SETTINGS) if s not in without]
        return conformance(settings, "--only", only)


def version(command, pattern):
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return re.search(pattern, said.stdout + said.stderr).group(1)


def table(columns):
    names = list(next(iter(columns.values())))
    rows = [["case", *columns], ["---"] * (len(columns) + 1)]
    why = []
    for name in names:
        rows.append([f"`{name}`", *(column[name][0] for column in columns.values())])
        for title, column in columns.items():
            verdict, reason = column[name]
            if verdict != "passes":
                reason = reason if len(reason) < 160 else reason[:160] + " ..."
                why.append(f"- `{name}`, {title}, {verdict}: {reason}\n")
    lines = ["| " + " | ".join(row) + " |\n" for row in rows]
    return "".join(lines) + "\nWhy:\n\n" + "".join(why)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envoy", help="the program")
    parser.add_argument("--nginx", help="the program")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--write", action="store_true", help="put the table into docs/conformance.md")
    args = parser.parse_args()

    columns = {"buffered": ours("buffered", args.only), "streaming": ours("streaming", args.only)}
    if args.envoy:
        number = version([args.envoy, "--version"], r"/(\d+\.\d+\.\d+)/")
        command = [args.envoy, "--concurrency", "1", "-c", str(HERE / "envoy.yaml"), "--use-dynamic-base-id"]
        columns[f"Envoy {number}"] = other(command, 19200, {"limit", "heads"}, args.only)
    if args.nginx:
        number = version([args.nginx, "-v"], r"nginx/(\S+)")
        with tempfile.TemporaryDirectory() as prefix:
            os.chmod(prefix, 0o755)  # a worker of another user writes bodies below
            command = [args.nginx, "-p", prefix, "-c", str(HERE / "nginx.conf")]
            columns[f"nginx {number}"] = other(command, 19300, {"limit"}, args.only)
    made = table(columns)
    print(made, end="")
    if args.write:
        path = ROOT / "docs/conformance.md"
        before, rest = path.read_text().split(BEGIN)
        path.write_text(before + BEGIN + "\n" + made + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
