"""Processes on free ports of the loopback device, all of which end with the bench, and what this crate's programs report."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "target/debug"
WORK = ROOT / "target/interop"
VENV = WORK / "venv"
LIMIT = 60


# Below those that the system gives to clients, one of which could take a port between its choice and its use.
PORTS = itertools.cycle(range(20000, 32000))
for _ in range(random.randrange(12000)):
    next(PORTS)


def free_port():
    for port in PORTS:
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


class Bench:
    """Programs that are started one after the other, and ended in the opposite order."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.end(process)

    def start(self, command, log, **options):
        # Each has a group of its own, so that its workers end with it.
        with open(self.folder / log, "wb") as errors:
            options = {"stdout": errors, "stdin": subprocess.DEVNULL, **options}
            process = subprocess.Popen([str(word) for word in command], stderr=errors, start_new_session=True, **options)
        self.processes.append(process)
        return process

    def end(self, process):
        """The last line of what it said, once it has ended."""
        if process in self.processes:
            self.processes.remove(process)
        process.terminate()
        try:
            said, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return (said or "").strip().rsplit("\n", 1)[-1]

    def ours(self, program, log, *arguments):
        """One of this workspace's programs, and the address it listens on."""
        process = self.start([BUILT / program, *arguments], log, stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline().split()
        if not line:
            raise SystemExit(f"{program} did not start: see {self.folder / log}")
        return process, line[-1]

    def recorder(self, name, *arguments):
        record = self.folder / f"{name}.jsonl"
        record.write_bytes(b"")
        process, address = self.ours("examples/interop", f"{name}.log", "--record", record, *arguments)
        return process, address, record

    def listens(self, port, process, what):
        for _ in range(300):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.1)
        raise SystemExit(f"{what} does not listen: see {self.folder}")


def records(path):
    """What a recorder wrote, by the request's identity."""
    found = {}
    for line in path.read_text().splitlines():
        one = json.loads(line)
        identity = dict(one["headers"]).get("x-case", "")
        found.setdefault(identity, []).append(one)
    return found


def outcomes_of(line):
    """The copies by outcome, in all and by case, from the last line of the application or of the proxy."""
    if line.startswith("{"):
        said = json.loads(line)
        return said["outcomes"], said["cases"]
    mirrored = re.search(r"; mirrored \d+(.*?); ", line + "; ")
    pairs = re.findall(r", (\w+) (\d+)", mirrored.group(1) if mirrored else "")
    return {name: int(count) for name, count in pairs}, {}
