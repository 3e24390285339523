# Recipes for this workspace: `just` lists them. https://just.systems

_default:
    @just --list

# Everything that must pass on main.
ci:
    bash .ci/run

# Format, then lint as main requires.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# All tests, or those of one binary: `just test split`, `just test mirror drain`.
test binary="" *filter="":
    cargo test {{ if binary == "" { "" } else { "--test " + binary } }} {{ filter }}

# The documentation, as docs.rs builds it.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc -p tower-mirror --no-deps --all-features

# The queue of a copy's frames and the gate, in every interleaving of their threads.
models:
    cargo test --manifest-path models/Cargo.toml --release

# One fuzz target: mirror, decisions or settings (needs cargo-fuzz and a nightly compiler).
fuzz target="mirror" seconds="60":
    cargo fuzz run -s none {{ target }} -- -max_total_time={{ seconds }}

# Times, as ratios within a group.
bench:
    cargo bench -p tower-mirror --bench main

# Licences, sources and advisories (needs cargo-deny).
deny:
    cargo deny check

# Whether the public API breaks against the newest release (needs cargo-semver-checks and a release on crates.io).
semver:
    cargo semver-checks -p tower-mirror

# The public API, one item a line (needs cargo-public-api and a nightly compiler).
public-api:
    cargo public-api -p tower-mirror --all-features -sss

# What is published of the library: at most 220 files, without tests, examples and benches.
package:
    #!/usr/bin/env bash
    set -euo pipefail
    files=$(cargo package --list --allow-dirty -p tower-mirror | wc -l)
    echo "$files files"
    test "$files" -le 220

# Install the proxy from this tree.
install:
    cargo install --path proxy --locked
