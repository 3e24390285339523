"""Evaluates the samples: medians, ratios, and the bars."""

from statistics import median

from measure import MODES

# CPU time of a mirrored request, divided by that of Envoy: the limit, and the goal.
CPU_BARS = {"get": (0.40, 0.33), "64k": (0.50, 0.42), "1m": (0.65, 0.55)}
ADDED_BAR = 0.33  # what the mirror adds to a GET, divided by what it adds in Envoy
P99_BAR = 1.15  # with a shadow that never answers, divided by the value without a mirror under the same load
SLOW_BAR = 0.95  # throughput with a slow shadow, divided in the same way; lower values are not noise
MEMORY_BAR_MIB = 32  # beyond the budget
ALL_COPIED = 0.99  # copies in flight at the end are missing
FEW = 300  # requests in a window: too few for the resolution of the CPU clock


class Samples:
    """All samples. Values are compared within a round, before medians are computed."""

    def __init__(self, samples):
        self.by_key = {}
        for sample in samples:
            key = sample["peer"], sample["case"], sample["mode"]
            self.by_key.setdefault(key, {})[sample["round"]] = sample

    def values(self, peer, case, mode, field):
        rounds = self.by_key.get((peer, case, mode), {})
        return {number: sample[field] for number, sample in rounds.items() if sample[field] is not None}

    def median(self, *key):
        values = self.values(*key)
        return median(values.values()) if values else None

    def most(self, *key):
        return max(self.values(*key).values(), default=None)

    def ratio(self, key, base, field):
        """The median of the ratios of all rounds."""
        above, below = self.values(*key, field), self.values(*base, field)
        ratios = [above[n] / below[n] for n in above if below.get(n)]
        return median(ratios) if ratios else None

    def added(self, peer, case):
        """The CPU time that the mirror adds to a request, for each round."""
        on, off = self.values(peer, case, "on", "cpu_us"), self.values(peer, case, "off", "cpu_us")
        return {n: on[n] - off[n] for n in on if n in off}

    def added_ratio(self, peer, other, case):
        above, below = self.added(peer, case), self.added(other, case)
        ratios = [above[n] / below[n] for n in above if below.get(n, 0) > 0]
        return median(ratios) if ratios else None


def shown(value, form, none="-"):
    return none if value is None else format(value, form)


def flags(samples, peer, case, mode):
    """The reasons why this row cannot be compared."""
    marks = []
    requests = samples.median(peer, case, mode, "requests")
    if requests < FEW:
        marks.append(f"only {requests:.0f} requests")
    copied = samples.median(peer, case, mode, "copied")
    if copied is not None and copied < ALL_COPIED:
        marks.append(f"copied {copied:.1%}")
    if not all(samples.values(peer, case, mode, "exact").values()):
        marks.append("copies NOT whole")
    for field in ("refused", "failed"):
        count = sum(samples.values(peer, case, mode, field).values())
        if count:
            marks.append(f"{field} {count}")
    return ", ".join(marks)


def table(samples, peers, cases, modes):
    head = ["case", "mode", "peer", "cpu us/req", "to envoy", "to base", "added us", "req/s", "to base",
            "p50 ms", "p99 ms", "to base", "busy", "peak MiB", ""]
    rows = [head]
    for case in cases:
        for mode in modes:
            for peer in peers:
                key = peer, case, mode
                if key not in samples.by_key:
                    continue
                base = peer, case, MODES[mode].base
                added = samples.added(peer, case) if mode == "on" else {}
                rows.append([
                    case, mode, peer,
                    shown(samples.median(*key, "cpu_us"), ".1f"),
                    shown(samples.ratio(key, ("envoy", case, mode), "cpu_us"), ".2f"),
                    shown(samples.ratio(key, base, "cpu_us"), ".2f"),
                    shown(median(added.values()) if added else None, ".1f"),
                    shown(samples.median(*key, "rps"), ".0f"),
                    shown(samples.ratio(key, base, "rps"), ".2f"),
                    shown(samples.median(*key, "p50_ms"), ".2f"),
                    shown(samples.median(*key, "p99_ms"), ".2f"),
                    shown(samples.ratio(key, base, "p99_ms"), ".2f"),
                    shown(samples.median(*key, "busy"), ".0%"),
                    shown(samples.most(*key, "peak_mib"), ".0f"),
                    flags(samples, *key),
                ])
    return aligned(rows)


def aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    last = len(widths) - 1

    def line(row):
        cells = (
            cell.ljust(width) if at < 3 or at == last else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        )
        return "  ".join(cells).rstrip()

    return "\n".join(map(line, rows))


def bars(samples, peer, cases, modes, budget_bytes, connections):
    """Each bar that these samples can decide, as a dictionary."""
    found = []

    def bar(name, value, most=None, least=None, aim=None, why=None):
        if value is None:
            return
        met = None if why else (value <= most if most is not None else value >= least)
        found.append({"name": name, "value": value, "most": most, "least": least, "aim": aim, "met": met, "why": why})

    def incomparable(case):
        for each in (peer, "envoy"):
            copied = samples.median(each, case, "on", "copied")
            if copied is not None and copied < ALL_COPIED:
                return f"{each} copied {copied:.1%}"
        return None

    for case in cases:
        if case in CPU_BARS:
            most, aim = CPU_BARS[case]
            ratio = samples.ratio((peer, case, "on"), ("envoy", case, "on"), "cpu_us")
            bar(f"{case}: CPU a mirrored request, to Envoy", ratio, most=most, aim=aim, why=incomparable(case))
        if case == "get":
            bar("get: CPU that the mirror adds, to Envoy", samples.added_ratio(peer, "envoy", case), most=ADDED_BAR,
                why=incomparable(case))
        kept = samples.ratio((peer, case, "slow"), (peer, case, "calm"), "rps")
        bar(f"{case}: throughput with a 200 ms shadow, to none", kept, least=SLOW_BAR)
        nginx = samples.median("nginx", case, "slow", "rps")
        if nginx is not None:
            found.append({
                "name": f"{case}: nginx with a 200 ms shadow, requests a connection in 200 ms",
                "value": nginx * 0.2 / connections, "most": None, "least": None, "aim": None, "met": None,
                "why": "for comparison",
            })
        for mode, load in ("never", "paced"), ("never-flat", "unpaced"):
            late = samples.ratio((peer, case, mode), (peer, case, MODES[mode].base), "p99_ms")
            bar(f"{case}: p99 with a shadow that never answers, to none, {load}", late, most=P99_BAR)
            peak, most = samples.most(peer, case, mode, "peak_mib"), budget_bytes / (1 << 20) + MEMORY_BAR_MIB
            bar(f"{case}: peak MiB with a shadow that never answers, {load}", peak, most=most)
    return found


def bar_lines(found):
    rows = []
    for bar in found:
        limit = f"<= {bar['most']:.2f}" if bar["most"] is not None else f">= {bar['least']:.2f}" if bar["least"] else ""
        aim = f"(aim {bar['aim']:.2f})" if bar["aim"] else ""
        verdict = {True: "met", False: "NOT MET", None: f"undecided: {bar['why']}"}[bar["met"]]
        if bar["why"] == "for comparison":
            verdict = bar["why"]
        rows.append([bar["name"], f"{bar['value']:.2f}", limit, aim, verdict])
    return aligned(rows) if rows else ""
