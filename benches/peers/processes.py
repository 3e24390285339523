"""Starts processes, measures what they use, and ends them in every case."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MOST_FILES = 16384  # descriptors that a process may have; a mirror without limits reaches it
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """A reason why a measurement is not possible."""


class Cores:
    """The cores. With two or more, the proxy has one core and all other processes the rest, which makes CPU time steadier."""

    def __init__(self, pin, nice=None):
        self.nice = nice
        cores = sorted(os.sched_getaffinity(0))
        self.pinned = pin and len(cores) >= 2
        self.proxy = {cores[-1]} if self.pinned else set(cores)
        self.load = set(cores[:-1]) if self.pinned else set(cores)

    def __str__(self):
        if not self.pinned:
            return "not pinned"
        return f"proxy on core {min(self.proxy)}, load and upstreams on {', '.join(map(str, sorted(self.load)))}"


def prepare(cores, nice):
    """Prepares a child process before it becomes the program."""

    def child():
        # Ends the child even if the script is killed.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, cores)
        if nice is not None:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))

    return child


class Process:
    """A started program; a context manager that ends it and its children by their ids."""

    def __init__(self, command, cores, nice, log):
        self.log = Path(log)
        self.output = open(self.log, "wb")
        self.child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C goes only to the script, which ends the others in order
            preexec_fn=prepare(cores, nice),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        family = self.family()
        # Workers first: a master process waits for them for a long time.
        for pid in reversed(family):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()
        self.output.close()

    def family(self):
        """The process and its children."""
        pid = self.child.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            children = []
        return [pid, *map(int, children)]

    def cpu_seconds(self):
        """User and system time so far."""
        ticks = 0
        for pid in self.family():
            stat = Path(f"/proc/{pid}/stat").read_text()
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def peak_bytes(self):
        """The largest resident set that one of them has had."""
        return max(self.peak_of(pid) for pid in self.family())

    @staticmethod
    def peak_of(pid):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def said(self, prefix, limit=10):
        """The rest of the first line that begins with this text."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for line in self.log.read_text(errors="replace").splitlines(keepends=True):
                if line.startswith(prefix) and line.endswith("\n"):
                    return line[len(prefix):].strip()
            if self.child.poll() is not None:
                break
            time.sleep(0.01)
        raise Trouble(f"{self.child.args[0]} did not start:\n{self.tail()}")

    def check(self):
        if self.child.poll() is not None:
            raise Trouble(f"{self.child.args[0]} ended with {self.child.returncode}:\n{self.tail()}")

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


def note(text):
    print(text, file=sys.stderr, flush=True)
