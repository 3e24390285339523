#!/usr/bin/env python3
"""Runs tonic's interop suite, axum's own tests and those of axum's examples inside the mirror, and prints a table.
`--write` puts it into docs/conformance.md as well.

    python3 examples/interop/suites.py --tonic ../tonic --axum ../axum --write

`--tonic` and `--axum` are work trees of https://github.com/hyperium/tonic and https://github.com/tokio-rs/axum. They are left
as they are: copies of them, in target/interop/suites, get a few lines that put the mirror of `mirrored.rs` around what they
serve. tonic needs `protoc` (apt-get install protobuf-compiler). Each suite runs without the mirror, with it in mode buffered and in
mode streaming. All traffic is on the loopback device, and all started programs are ended.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from bench import HERE, ROOT, WORK, Bench, free_port

SUITES = WORK / "suites"
TARGET = SUITES / "target"
MODES = ("off", "buffered", "streaming")
BEGIN, END = "<!-- suites -->\n", "<!-- /suites -->\n"
PATCHED = SUITES / "mirrored"
CASES = ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
         "status_code_and_message", "special_status_message", "custom_metadata", "unimplemented_method",
         "unimplemented_service")
ROUNDS = 20
EXAMPLES = ("anyhow-error-response", "compression", "form", "handle-head-request", "sse", "static-file-server", "templates",
            "testing", "testing-websockets", "validator", "versioning")


def helper():
    """The crate around `mirrored.rs`."""
    PATCHED.mkdir(parents=True, exist_ok=True)
    (PATCHED / "Cargo.toml").write_text(f"""[package]
name = "mirrored"
version = "0.0.0"
edition = "2024"

[lib]
path = "{HERE}/mirrored.rs"

[dependencies]
http-body-util = "0.1.2"
hyper = {{ version = "1.9", features = ["server"] }}
hyper-util = {{ version = "0.1.21", features = ["server", "server-auto", "tokio"] }}
tokio = {{ version = "1.50", features = ["net", "rt"] }}
tower-mirror = {{ path = "{ROOT}" }}
""")


def copied(tree, name):
    """A fresh copy whose files keep their times, so that cargo builds only what has changed."""
    made = SUITES / name
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(tree, made, ignore=shutil.ignore_patterns(".git", "target"))
    commit = subprocess.run(["git", "-C", tree, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
    return made, commit.stdout.strip()


def replaced(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        if old not in text:
            raise SystemExit(f"{path} has no {old!r}: this script was written for another version")
        text = text.replace(old, new)
    path.write_text(text)


def without(path, *patterns):
    """Removes what a pattern finds."""
    text = path.read_text()
    for pattern in patterns:
        text, count = re.subn(pattern, "", text, flags=re.M | re.S)
        if not count:
            raise SystemExit(f"{path} has no {pattern!r}: this script was written for another version")
    path.write_text(text)


DEPENDENCY = f'\nmirrored = {{ path = "{PATCHED}" }}\n'


def cargo(folder, *arguments, environment=None, check=True):
    command = ["cargo", *arguments]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), **(environment or {})}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return done


def patch_tonic(tree):
    """Leaves only the codec whose code generator is a package, and puts the mirror around the server."""
    interop = tree / "interop"
    (tree / "Cargo.toml").write_text(re.sub(
        r"members = \[.*?\]", 'members = ["tonic", "tonic-build", "tonic-prost", "tonic-prost-build", "interop"]',
        (tree / "Cargo.toml").read_text(), count=1, flags=re.S))
    without(interop / "Cargo.toml", r"^grpc = .*?$", r"^# TODO: Remove once.*?^protobuf = .*?$", r"^tonic-protobuf = .*?$",
            r"^grpc-protobuf = .*?$", r"^grpc-protobuf-build = .*?$")
    replaced(interop / "Cargo.toml", ("[dependencies]\n", "[dependencies]" + DEPENDENCY))
    (interop / "build.rs").write_text(
        'fn main() { tonic_prost_build::compile_protos("proto/grpc/testing/test.proto").unwrap(); }\n')
    without(interop / "src/lib.rs", r"^pub mod \w+_protobuf;$", r"^pub mod grpc_pb \{.*?^\}$", r"^mod grpc_utils \{.*?^\}$")
    without(interop / "src/bin/server.rs", r"^        Codec::Protobuf => \{.*?^        \}$")
    replaced(interop / "src/bin/server.rs",
             ("use interop::{server_prost, server_protobuf};", "use interop::server_prost;"),
             ('"protobuf" => Ok(Codec::Protobuf),', ""), ("    Protobuf,\n", ""),
             ('"127.0.0.1:10000".parse()', 'std::env::var("ADDRESS").unwrap().parse()'),
             ("            builder\n                .add_service",
              "            let layer = (!mirrored::is_off()).then(mirrored::layer);\n"
              "            let layer = tower::util::option_layer(layer.map(|mirror| Wrap(mirror)));\n"
              "            builder\n                .layer(layer)\n                .add_service"))
    with open(interop / "src/bin/server.rs", "a", encoding="utf-8") as file:
        file.write("use interop::mirror::Wrap;\n")
    with open(interop / "src/lib.rs", "a", encoding="utf-8") as file:
        file.write("pub mod mirror;\n")
    (interop / "src/mirror.rs").write_text("""
use tower::{Layer, util::MapRequest};

type Body = tonic::body::Body;

/// The mirror, so that what is inside and outside of it has one type of body.
#[derive(Clone)]
pub struct Wrap<L>(pub L);

impl<S, L> Layer<S> for Wrap<L>
where
    L: Layer<MapRequest<S, fn(http::Request<mirrored::Tee<Body>>) -> http::Request<Body>>>,
{
    type Service = L::Service;

    fn layer(&self, inner: S) -> L::Service {
        self.0.layer(MapRequest::new(inner, |request| request.map(Body::new)))
    }
}
""")
    client = interop / "src/bin/client.rs"
    without(client, r"^use grpc::.*?;$", r"^use interop::client_protobuf;$", r"^        Codec::Protobuf => \{.*?^        \}$")
    replaced(client, ('"protobuf" => Ok(Codec::Protobuf),', ""), ("    Protobuf,\n", ""), ("use std::sync::Arc;\n", ""),
             ('"{scheme}://localhost:10000"', '"{scheme}://{}", std::env::var("ADDRESS").unwrap()'))


def reported(folder):
    total = collections.Counter()
    for path in folder.glob("*.json"):
        total.update(json.loads(path.read_text()))
    return total


def tonic(tree):
    made, commit = copied(tree, "tonic")
    patch_tonic(made)
    cargo(made, "build", "-p", "interop", "--bins")
    results = {}
    for mode in MODES:
        folder = SUITES / f"tonic-{mode}"
        shutil.rmtree(folder, ignore_errors=True)
        ports = free_port(), free_port()
        with Bench(folder) as bench:
            def server(port, log, **more):
                environment = {**os.environ, "ADDRESS": f"127.0.0.1:{port}", "MIRROR_BODY": "off", **more}
                process = bench.start([TARGET / "debug/server", "--codec", "prost"], log, env=environment)
                bench.listens(port, process, "tonic's server")

            server(ports[1], "shadow.log")
            server(ports[0], "primary.log", MIRROR_BODY=mode, MIRROR_SHADOW=f"http://127.0.0.1:{ports[1]}",
                   MIRROR_REPORT=str(folder))
            passed = failed = 0
            for _ in range(ROUNDS):
                command = [str(TARGET / "debug/client"), "--codec=prost", f"--test_case={','.join(CASES)}"]
                environment = {**os.environ, "ADDRESS": f"127.0.0.1:{ports[0]}"}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
                (folder / "client.log").write_text(done.stdout + done.stderr)
                passed += len(re.findall(r"^  .*(?:✔|\+)", done.stdout, flags=re.M))
                failed += len(re.findall(r"^  .*(?:✖|x) ", done.stdout, flags=re.M))
                # One that stops in the middle says nothing of the others.
                failed += done.returncode not in (0, 1)
            for _ in range(200):
                counts = reported(folder)
                if mode == "off" or counts and not counts["in_flight"]:
                    break
                time.sleep(0.05)
        results[mode] = passed, failed, counts
    return f"tonic {commit}, interop, {ROUNDS} rounds of {len(CASES)} cases", results


def tests(folder, name, arguments):
    results = {}
    for mode in MODES:
        report = SUITES / f"{name}-{mode}"
        shutil.rmtree(report, ignore_errors=True)
        report.mkdir(parents=True)
        environment = {"MIRROR_BODY": mode, "MIRROR_REPORT": str(report)}
        done = cargo(folder, "test", "--no-fail-fast", *arguments, environment=environment, check=False)
        (report / "output.txt").write_text(done.stdout + done.stderr)
        sums = re.findall(r"^test result: .*? (\d+) passed; (\d+) failed", done.stdout, flags=re.M)
        if not sums:
            raise SystemExit(f"{name} ran no test: see {report}/output.txt")
        results[mode] = sum(int(a) for a, _ in sums), sum(int(b) for _, b in sums), reported(report)
    return results


def axum(tree):
    made, commit = copied(tree, "axum")
    for manifest in ("axum/Cargo.toml",):
        replaced(made / manifest, ("\n[dependencies]\n", "\n[dependencies]" + DEPENDENCY))
    replaced(made / "axum/src/test_helpers/test_client.rs", (
        "        serve(listener, Shared::new(svc)).await;",
        """        if mirrored::is_off() {
            serve(listener, Shared::new(svc)).await;
        } else {
            use tower_layer::Layer as _;
            let svc = tower::util::MapRequest::new(svc, |request: http::Request<mirrored::Tee<crate::body::Body>>| {
                request.map(crate::body::Body::new)
            });
            serve(listener, Shared::new(mirrored::layer().layer(svc))).await;
        }"""))
    for name in EXAMPLES:
        folder = made / "examples" / name
        replaced(folder / "Cargo.toml", ("[dependencies]\n", "[dependencies]" + DEPENDENCY))
        main = folder / "src/main.rs"
        text, count = re.subn(r"fn (app|using_\w+|\w+_router)\(\) -> Router \{",
                              r"fn \1() -> Router { if mirrored::is_off() { inner_\1() } else { inner_\1().layer(mirrored::layer()) } }\n"
                              r"fn inner_\1() -> Router {", main.read_text())
        if not count:
            print(f"{name}: nothing to put the mirror around", file=sys.stderr)
        main.write_text(text)
    ran = tests(made, "axum-lib", ["-p", "axum", "--lib", "--all-features"])
    packages = [word for name in EXAMPLES for word in ("-p", f"example-{name}")]
    examples = tests(made / "examples", "axum-examples", packages)
    return [(f"axum {commit}, its own tests", ran), (f"axum {commit}, {len(EXAMPLES)} examples with tests", examples)]


def table(rows):
    head = ["suite", "passed: off / buffered / streaming", "failed: off / buffered / streaming", "requests", "copies, buffered", "copies, streaming"]

    def outcomes(counts):
        pairs = sorted(counts.items(), key=lambda pair: -pair[1])
        named = [f"{name} {count}" for name, count in pairs if count and name != "requests" and "@" not in name]
        return ", ".join(named) or "none"

    lines = [head, ["---"] * len(head)]
    for title, results in rows:
        lines.append([title, " / ".join(str(results[m][0]) for m in MODES), " / ".join(str(results[m][1]) for m in MODES),
                      str(results["buffered"][2]["requests"]), outcomes(results["buffered"][2]), outcomes(results["streaming"][2])])
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tonic", type=pathlib.Path, help="a work tree of tonic")
    parser.add_argument("--axum", type=pathlib.Path, help="a work tree of axum")
    parser.add_argument("--write", action="store_true", help="put the table into docs/conformance.md")
    args = parser.parse_args()

    helper()
    rows = []
    if args.tonic:
        rows.append(tonic(args.tonic.resolve()))
    if args.axum:
        rows += axum(args.axum.resolve())
    made = "\n" + table(rows) + "\n"
    print(made, end="")
    if args.write:
        path = ROOT / "docs/conformance.md"
        before, rest = path.read_text().split(BEGIN)
        path.write_text(before + BEGIN + made + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
