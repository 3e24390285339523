"""What became of the copies of one run: each request that was answered has one whole copy, equal to what was sent. A copy
that is lost is absent, or breaks off so that the shadow knows; one that is wrong looks whole and differs."""

import collections
import dataclasses
import zlib

from bench import records
from plan import CASES

# What differs by the rules of copies and of connections, or is judged by itself.
APART = {"host", "x-mirrored-by", "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "content-length",
         "expect", "upgrade", "http2-settings", "trailer", "cookie"}


@dataclasses.dataclass
class Verdict:
    """What was counted by case and reason, besides the outcomes in all and by case."""

    requests: int = 0
    failures: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    lost: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    outcomes: dict = dataclasses.field(default_factory=dict)
    cases: dict = dataclasses.field(default_factory=dict)


def failures(answers, expected):
    """Requests that the primary failed, by case and reason. Those that the client cancels cannot fail."""
    found = collections.Counter()
    seen = collections.Counter(answer.case for answer in answers)
    for answer in answers:
        case = CASES[answer.case]
        if "cancel" in case.flags:
            continue
        if answer.error:
            found[answer.case, answer.error] += 1
        elif answer.crc == -1:  # the client shows no bodies
            if answer.status != case.status:
                found[answer.case, f"status {answer.status}"] += 1
        elif why := case.is_answered_by(answer.status, answer.crc, answer.start):
            found[answer.case, why] += 1
    for case in expected:
        if not seen[case.name]:
            found[case.name, "no answer"] += 1
    return found


def comparable(head):
    fields = collections.Counter((name, value) for name, value in head if name not in APART)
    cookies = "; ".join(value for name, value in head if name == "cookie")
    return fields, cookies


def differences(case, original, copy, is_direct):
    """What the copy, which looks whole, differs in: mostly nothing."""
    if (copy["bytes"], copy["crc"]) != (len(case.body), zlib.crc32(case.body)):
        yield f"the copy has {copy['bytes']} bytes of {len(case.body)}, or others"
    if not is_direct or original is None:
        return
    if original["end"] == "whole" and (original["trailers"] or []) != (copy["trailers"] or []) and case.path == "/frames":
        yield f"trailers {original['trailers']}, on the copy {copy['trailers']}"
    elif case.trailers and [list(pair) for pair in case.trailers] != (copy["trailers"] or []):
        yield f"trailers {list(case.trailers)}, on the copy {copy['trailers']}"
    if [original["method"], original["target"]] != [copy["method"], copy["target"]]:
        yield f"{original['method']} {original['target']} became {copy['method']} {copy['target']}"
    (ours, our_cookies), (theirs, their_cookies) = comparable(original["headers"]), comparable(copy["headers"])
    if ours != theirs:
        yield f"fields lost {sorted((ours - theirs).keys())}, added {sorted((theirs - ours).keys())}"
    if our_cookies != their_cookies:
        yield "other cookies"
    before, after = dict(original["headers"]), dict(copy["headers"])
    framed = lambda head: "content-length" in head or "transfer-encoding" in head
    if framed(before) and copy["version"] != "HTTP/2.0" and not framed(after):
        yield "the copy has no framing"
    if "content-length" in before and "content-length" not in after and not case.trailers:
        yield "the copy has lost its content-length"


def judge(answers, primary, shadow, is_direct):
    """The copies that are lost and those that are wrong."""
    originals, copies = records(primary), records(shadow)
    lost, wrong = collections.Counter(), collections.Counter()
    for answer in answers:
        case = CASES[answer.case]
        identity = f"{answer.case}/{answer.number}/client"
        original = (originals.get(identity) or [None])[0]
        found = copies.get(identity, [])
        whole = [copy for copy in found if copy["end"] == "whole"]
        if "cancel" in case.flags:
            was_left = original is None or original["end"] != "whole"
            if was_left and whole:
                wrong[answer.case, "a cancelled upload has a copy that looks whole"] += 1
            continue
        if answer.error:
            continue
        if len(found) > 1:
            wrong[answer.case, f"{len(found)} copies"] += 1
        elif whole:
            for why in differences(case, original, found[0], is_direct):
                wrong[answer.case, why] += 1
        elif case.is_read or not found and case.framing == "none":
            ends = found[0]["end"].split(":")[0] if found else None
            lost[answer.case, f"the copy is {ends}" if found else "no copy"] += 1
    return lost, wrong
