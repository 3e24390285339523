#!/usr/bin/env python3
"""Runs software that is not ours against the mirror and prints tables of what came of it. `--write` puts them into
docs/conformance.md as well.

    cargo build --bins --examples
    python3 examples/interop/run.py --write

Clients send the cases of `plan.py` to the application of the `interop` example, without the mirror, with it in mode tee
and with it in mode streaming. Servers stand behind the proxy, as its primary and as its shadow. Where something is
not installed it says so, and how to install it. All traffic is on the loopback device, on free ports;
whatever is started is ended. It leaves logs and records in target/interop.
"""

import argparse
import collections
import dataclasses
import re
import shutil
import signal
import subprocess
import sys

import clients
import servers
from bench import HERE, LIMIT, ROOT, VENV, WORK, Bench, outcomes_of, records
from judge import Verdict, failures, judge

MODES = ("off", "buffered", "streaming")
BEGIN, END = "<!-- interop -->\n", "<!-- /interop -->\n"
# Between a client and the recorder stands a server that keeps trailers or not, waits with its 100, or reads what it likes.
NOT_BEHIND_SERVERS = clients.TRAILERS | clients.ODD
SERVER_COUNT = 3


class NoHttp2(Exception):
    """A server that speaks HTTP/1.1 only without TLS."""


def to_the_app(client, mode):
    """A client against the application."""
    folder = WORK / "runs" / re.sub(r"\W+", "-", f"{client.name} {client.protocol} {mode}")
    cases = client.cases()
    with Bench(folder) as bench:
        shadow, shadow_address, copies = bench.recorder("shadow", "--drain")
        mirror = [] if mode == "off" else ["--shadow", f"http://{shadow_address}", "--body", mode]
        app, address, originals = bench.recorder("primary", *mirror)
        answers = client.run(f"http://{address}", folder, cases)
        outcomes, by_case = outcomes_of(bench.end(app)) if mirror else ({}, {})
        bench.end(shadow)
    lost, wrong = collections.Counter(), collections.Counter()
    if mirror:
        lost, wrong = judge(answers, originals, copies, True)
    return Verdict(len(answers), failures(answers, cases), lost, wrong, outcomes, by_case)


def behind_the_proxy(client, server, mode, role, http2):
    """A client against the proxy, with a server as its primary or as its shadow."""
    folder = WORK / "runs" / re.sub(r"\W+", "-", f"{server.name} {role} {client.name} {mode}{' http2' if http2 else ''}")
    cases = [dataclasses.replace(case, count=SERVER_COUNT) for case in client.cases(NOT_BEHIND_SERVERS)]
    with Bench(folder) as bench:
        shadow, shadow_address, copies = bench.recorder("shadow", "--drain")
        primary, primary_address, originals = bench.recorder("primary")
        recorded = originals if role == "primary" else copies
        behind = primary_address if role == "primary" else shadow_address
        if server.records_itself:
            recorded = folder / "server.jsonl"
            recorded.write_bytes(b"")
        process, port, port2 = server.start(bench, behind, recorded)
        if http2 and port2 is None:
            raise NoHttp2
        if role == "primary":
            primary_address, originals = f"127.0.0.1:{port}", recorded
        else:
            shadow_address, copies = f"127.0.0.1:{port2 if http2 else port}", recorded
        command = ["--listen", "127.0.0.1:0", "--primary", f"http://{primary_address}"]
        if mode != "off":
            command += ["--shadow", f"http://{shadow_address}", "--body", mode]
            # Apache answers 400 to a host like `127.0.0.1-shadow`.
            command += ["--preserve-host", *(["--shadow-http2"] if http2 else [])]
        proxy, address = bench.ours("tower-mirror-proxy", "proxy.log", *command)
        answers = client.run(f"http://{address}", folder, cases)
        outcomes, _ = outcomes_of(bench.end(proxy))
        for one in (process, primary, shadow):
            bench.end(one)
    lost, wrong = collections.Counter(), collections.Counter()
    if mode != "off":
        lost, wrong = judge(answers, originals, copies, False)
    return Verdict(len(answers), failures(answers, cases), lost, wrong, outcomes)


def grpc(mode, shadow_too=False):
    """grpcio against the application, with a shadow of ours or of grpcio. There is no copy to compare of a call that is
    cancelled or refused."""
    folder = WORK / "runs" / f"grpcio-{'both-' if shadow_too else ''}{mode}"
    with Bench(folder) as bench:
        if shadow_too:
            server = servers.of_python(VENV / "bin/python", HERE / "clients/server.py", "PORT", http2=True)
            copies = folder / "shadow.jsonl"
            copies.write_bytes(b"")
            shadow, port, _ = server(bench, None, copies)
            shadow_address = f"127.0.0.1:{port}"
        else:
            shadow, shadow_address, copies = bench.recorder("shadow", "--drain")
        mirror = [] if mode == "off" else ["--shadow", f"http://{shadow_address}", "--shadow-http2", "--body", mode]
        app, address, originals = bench.recorder("primary", *mirror)
        command = [VENV / "bin/python", HERE / "clients/client_grpc.py", f"http://{address}", "client"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT, check=False)
        (folder / "client.log").write_text(done.stdout + done.stderr)
        outcomes, by_case = outcomes_of(bench.end(app)) if mirror else ({}, {})
        bench.end(shadow)
    meant = {"grpc-cancel": "CANCELLED", "grpc-deadline": "DEADLINE_EXCEEDED", "grpc-fail": "NOT_FOUND",
             "grpc-fail-stream": "NOT_FOUND", "grpc-unimplemented": "UNIMPLEMENTED"}
    verdict = Verdict(outcomes=outcomes, cases=by_case)
    originals, copies = (records(path) for path in (originals, copies))
    for line in done.stdout.splitlines():
        case, number, code, detail = (line.split("\t") + [""])[:4]
        verdict.requests += 1
        if code != meant.get(case, "OK") or detail == "different":
            verdict.failures[case, f"{code} {detail}".strip()] += 1
        identity = f"{case}/{number}/client"
        original, found = originals.get(identity, []), copies.get(identity, [])
        whole = [one for one in found if one["end"] == "whole"]
        if mode == "off":
            continue
        if case in meant:
            # grpcio ends the messages of a call that breaks off as those of a whole one.
            if whole and case in ("grpc-cancel", "grpc-deadline") and not shadow_too:
                verdict.wrong[case, "a cancelled call has a copy that looks whole"] += 1
        elif not whole:
            verdict.lost[case, f"the copy is {found[0]['end'].split(':')[0]}" if found else "no copy"] += 1
        elif (whole[0]["bytes"], whole[0]["crc"]) != (original[0]["bytes"], original[0]["crc"]):
            verdict.wrong[case, "another body"] += 1
    return verdict


def load(mode):
    """h2load: 2000 requests, 50 at a time. Here the limit of copies in flight may count."""
    folder = WORK / "runs" / f"h2load-{mode}"
    with Bench(folder) as bench:
        shadow, shadow_address, copies = bench.recorder("shadow", "--drain")
        mirror = [] if mode == "off" else ["--shadow", f"http://{shadow_address}", "--body", mode]
        app, address, _ = bench.recorder("primary", *mirror)
        upload = folder / "upload"
        upload.write_bytes(clients.CASES["length"].body)
        command = ["h2load", "-n", "2000", "-c", "10", "-m", "5", "-d", str(upload), "-H", "x-case: load/0/client"]
        done = subprocess.run(command + [f"http://{address}/bytes"], capture_output=True, text=True, timeout=LIMIT, check=False)
        (folder / "client.log").write_text(done.stdout + done.stderr)
        outcomes, by_case = outcomes_of(bench.end(app)) if mirror else ({}, {})
        bench.end(shadow)
    verdict = Verdict(2000, outcomes=outcomes, cases=by_case)
    succeeded = re.search(r"(\d+) 2xx", done.stdout)
    failed = 2000 - int(succeeded.group(1)) if succeeded else 2000
    if failed:
        verdict.failures["load", "no status 200"] = failed
    sent = clients.CASES["length"].body
    bad = sum(one["bytes"] != len(sent) for one in records(copies).get("load/0/client", []))
    if bad:
        verdict.wrong["load", "another body"] = bad
    return verdict


def of_outcomes(outcomes):
    counted = sorted(outcomes.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {count}" for name, count in counted) or "none"


def failed_of(verdict):
    """With those in brackets where the client raced an early answer, as it does without the mirror."""
    is_early = lambda case: case in clients.CASES and "early" in clients.CASES[case].flags
    early = sum(count for (case, _), count in verdict.failures.items() if is_early(case))
    others = sum(verdict.failures.values()) - early
    return f"{others} (+{early})" if early else str(others)


def row(title, verdicts):
    """One line of the table, and the reasons for what is not as it should be."""
    buffered, streaming = verdicts["buffered"], verdicts["streaming"]
    failed = " / ".join(failed_of(verdicts[mode]) for mode in MODES)
    lost = f"{sum(buffered.lost.values())} / {sum(streaming.lost.values())}"
    wrong = f"{sum(buffered.wrong.values())} / {sum(streaming.wrong.values())}"
    cells = [title, str(buffered.requests), failed, of_outcomes(buffered.outcomes), of_outcomes(streaming.outcomes), lost, wrong]
    return cells, reasons(title, verdicts)


def reasons(title, verdicts):
    """A line for each thing that is not as it should be, with the cases of each mode in which it is so."""
    found = {}
    for mode, verdict in verdicts.items():
        for kind, counts in (("the primary fails: ", verdict.failures), ("lost: ", verdict.lost), ("wrong: ", verdict.wrong)):
            for (case, reason), count in counts.items():
                outcomes = [name for name in verdict.cases.get(case, {}) if name != "completed"]
                ended = f" ({', '.join(outcomes)})" if outcomes and kind != "the primary fails: " else ""
                found.setdefault(kind + reason[:160], {}).setdefault(mode, []).append(f"`{case}` {count}{ended}")
    lines = []
    for reason, modes in sorted(found.items()):
        shown = "; ".join(f"{mode} {', '.join(sorted(cases))}" for mode, cases in modes.items())
        lines.append(f"- {title}: {reason}: {shown}\n")
    return lines


def table(first, rows):
    head = [first, "requests", "primary failures: off / buffered / streaming", "copies, buffered", "copies, streaming", "lost: buffered / streaming",
            "wrong: buffered / streaming"]
    lines = [head, ["---"] * len(head), *(cells for cells, _ in rows)]
    text = "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
    why = "".join(line for _, whys in rows for line in whys)
    return text + (f"\nWhy:\n\n{why}" if why else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envoy", help="the program, where it is neither on PATH nor in target/interop/venv")
    parser.add_argument("--only", default="", help="clients and servers whose names contain this")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/conformance.md")
    args = parser.parse_args()

    WORK.mkdir(parents=True, exist_ok=True)
    those, missing = clients.known()
    others, more = servers.known(args.envoy)
    wanted = lambda name: args.only.lower() in name.lower()
    # What was started ends however this does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    absent = [f"{one}\n" for one in missing + more]

    by_client, by_server = [], []

    def add(rows, title, verdicts):
        cells, why = row(title, verdicts)
        rows.append((cells, why))
        print(" | ".join(cells), "\n", *why, sep="", end="", file=sys.stderr, flush=True)

    for client in filter(lambda client: wanted(client.title), those):
        add(by_client, client.title, {mode: to_the_app(client, mode) for mode in MODES})
    python = VENV / "bin/python"
    if python.exists() and wanted("grpcio"):
        version = clients.said([python, "-c", "import grpc; print(grpc.__version__)"])
        add(by_client, f"grpcio {version}, HTTP/2", {mode: grpc(mode) for mode in MODES})
        add(by_client, f"grpcio {version}, HTTP/2, with a shadow of grpcio", {mode: grpc(mode, True) for mode in MODES})
    if shutil.which("h2load") and wanted("h2load"):
        title = f"h2load {clients.said(['h2load', '--version'])}, HTTP/2, 50 at a time"
        add(by_client, title, {mode: load(mode) for mode in MODES})

    senders = [client for client in those if client.name in ("Node http", "Node http2")]
    for server in filter(lambda server: wanted(server.name), others):
        for client in senders:
            title = f"{server.name} {server.version}, primary, {client.protocol} client"
            add(by_server, title, {mode: behind_the_proxy(client, server, mode, "primary", False) for mode in MODES})
        client = senders[0]
        for http2 in (False, True):
            try:
                verdicts = {mode: behind_the_proxy(client, server, mode, "shadow", http2) for mode in MODES}
            except NoHttp2:
                continue
            title = f"{server.name} {server.version}, shadow, {'HTTP/2' if http2 else 'HTTP/1.1'}"
            add(by_server, title, verdicts)

    made = "\n"
    if by_client:
        made += table("client", by_client) + "\n"
    if by_server:
        made += table("server", by_server) + "\n"
    if absent:
        made += "Not installed:\n\n" + "".join(f"- {line}" for line in absent) + "\n"
    print(made, end="")
    if args.write:
        path = ROOT / "docs/conformance.md"
        before, rest = path.read_text().split(BEGIN)
        path.write_text(before + BEGIN + made + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
