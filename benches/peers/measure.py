"""One measurement: a fresh proxy, a warm-up, a window of load, and its cost."""

import json
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import get, port_of
from processes import Process, Trouble, prepare


@dataclass(frozen=True)
class Case:
    size: int  # of the body; 0 means a GET
    pause_ms: int  # of a connection between requests, if the load is paced: slower than every proxy can serve


@dataclass(frozen=True)
class Mode:
    shadow: str  # how it answers; empty without a shadow
    base: str  # the mode that it is compared with
    paced: bool


CASES = {
    "get": Case(0, 10),
    "1k": Case(1 << 10, 10),
    "64k": Case(64 << 10, 10),
    "1m": Case(1 << 20, 100),
}
# The unpaced load shows the cost of a copy. The paced load shows whether the primary notices a bad shadow: without pauses, any
# work for the shadow reduces the throughput of the primary.
MODES = {
    "off": Mode("", "off", False),
    "on": Mode("fast", "off", False),
    "calm": Mode("", "calm", True),
    "slow": Mode("slow", "calm", True),
    "never": Mode("never", "calm", True),
    "never-flat": Mode("never", "off", False),
    "slow-flat": Mode("slow", "on", False),
}
USUAL = ["off", "on", "calm", "slow", "never", "never-flat"]
SHADOWS = {"fast": [], "slow": ["--delay-ms", 200], "never": ["--never"]}

# Before the window begins. Copies to a shadow that never answers must time out at least once, which takes 5 s by our default.
WARM_UP_SECONDS = 1
GIVEN_UP_SECONDS = 6
SETTLE_SECONDS = 3  # at most, until copies have arrived after the load


class Upstream:
    """A server that counts the requests which it received completely."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    def counters(self):
        counters = json.loads(get(f"http://127.0.0.1:{self.port}/counters"))
        return counters["requests"], counters["bytes"]

    def settled(self):
        """Returns the counters when they no longer change."""
        end = time.monotonic() + SETTLE_SECONDS
        before = self.counters()
        while time.monotonic() < end:
            time.sleep(0.1)
            now = self.counters()
            if now == before:
                break
            before = now
        return before


class Upstreams:
    """The primary, and a shadow of each kind."""

    def __init__(self, primary, shadows):
        self.primary = primary
        self.shadows = shadows

    @classmethod
    @contextmanager
    def start(cls, binary, folder, cores, modes):
        with ExitStack() as stack:

            def upstream(name, options):
                process = Process([binary, *options], cores.load, cores.nice, folder / f"upstream-{name}.log")
                stack.enter_context(process)
                return Upstream(process, port_of(process.said("listening on ")))

            kinds = {MODES[mode].shadow for mode in modes} - {""}
            shadows = {kind: upstream(kind, SHADOWS[kind]) for kind in kinds}
            yield cls(upstream("primary", []), shadows)


class Load:
    """wrk with one thread."""

    def __init__(self, binary, connections, cores):
        self.binary = binary
        self.connections = connections
        self.cores = cores

    def run(self, port, case, paced, seconds):
        command = [
            self.binary, "-t1", f"-c{self.connections}", f"-d{seconds}s", "-s", Path(__file__).with_name("load.lua"),
            f"http://127.0.0.1:{port}/items?page=1", "--", case.size, case.pause_ms if paced else 0,
        ]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=seconds + 15,
            preexec_fn=prepare(self.cores.load, self.cores.nice), start_new_session=True,
        )
        last = done.stdout.strip().rpartition("\n")[2]
        if done.returncode != 0 or not last.startswith("{"):
            raise Trouble(f"wrk failed: {done.stdout}{done.stderr}")
        return json.loads(last)


def measure(peer, case, mode, upstreams, load, cores, folder, seconds):
    """A sample, as a flat dictionary."""
    size, paced = CASES[case].size, MODES[mode].paced
    never = MODES[mode].shadow == "never"
    warm_up = max(WARM_UP_SECONDS, GIVEN_UP_SECONDS - seconds) if never else WARM_UP_SECONDS
    shadow = upstreams.shadows.get(MODES[mode].shadow)
    with peer.start(folder, cores, upstreams.primary.port, shadow and shadow.port, not never) as proxy:
        load.run(proxy.port, CASES[case], paced, warm_up)

        def counters():
            received = shadow.settled() if shadow else (0, 0)
            return upstreams.primary.settled(), received

        (served, _), (copies, copied) = counters()
        said, spent, begun = proxy.says(), proxy.process.cpu_seconds(), time.monotonic()
        result = load.run(proxy.port, CASES[case], paced, seconds)
        wall = time.monotonic() - begun
        (served_after, _), (copies_after, copied_after) = counters()
        spent_after, said_after = proxy.process.cpu_seconds(), proxy.says()
        proxy.process.check()
        requests = served_after - served
        return {
            "peer": peer.name, "case": case, "mode": mode,
            "requests": requests,
            "rps": result["requests"] / result["seconds"],
            "p50_ms": result["p50_us"] / 1e3 if result["requests"] else None,
            "p99_ms": result["p99_us"] / 1e3 if result["requests"] else None,
            "cpu_us": (spent_after - spent) * 1e6 / requests if requests else None,
            "busy": (spent_after - spent) / wall,
            "peak_mib": proxy.process.peak_bytes() / (1 << 20),
            "refused": result["refused"], "failed": result["failed"],
            "copied": (copies_after - copies) / requests if shadow and requests else None,
            # All bodies must be complete.
            "exact": copied_after - copied == (copies_after - copies) * size,
            "says": {name: said_after[name] - said.get(name, 0) for name in said_after},
        }
