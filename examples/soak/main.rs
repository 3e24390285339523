//! Much traffic of all kinds, over real sockets, through a mirror around a split, while everything changes: the shadow
//! hangs, lies and dies; rates and weights change; the mirror is paused, resumed and drained. No client may notice it.
//! After each round every request must have its outcome, and nothing may be left.
//!
//! ```text
//! cargo run --release --example soak                                    # 200 000 requests
//! cargo run --release --example soak -- --requests 10000000 --seconds 7200 --round 100000
//! cargo run --release --example soak -- --seed 7                        # repeats the choices of seed 7
//! ```
//!
//! The seed determines the requests of every client and the faults of the shadow, but not how the system interleaves them. The
//! exit status is 0 if every statement at the end holds, 1 if not, and 2 if the run was not possible.
//!
//! - `play.rs`: one round, from a new mirror to its drain; `tickets.rs`: its bounds; `row.rs`: its results
//! - `client.rs`: clients; `ask.rs`: their requests; `upload.rs`: the bodies that they send
//! - `shadow.rs`: a shadow with faults; `meddle.rs` switches the faults on and off, and controls mirror and split
//! - `server.rs`: a server; `primary.rs`: v1 and v2; `usage.rs`: descriptors and memory

mod ask;
mod client;
mod meddle;
mod play;
mod primary;
mod row;
mod server;
mod shadow;
mod tickets;
mod upload;
mod usage;

use std::{
    panic,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use clap::Parser;

use crate::{play::Stage, row::Total, usage::Usage};

/// Sends much traffic through a mirror and a split while their settings and their shadow change.
#[derive(Clone, Parser)]
struct Args {
    /// The total number of requests.
    #[arg(long, default_value_t = 200_000)]
    requests: u64,
    /// No request is sent after this number of seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// The number of requests in a round. Each round has a new mirror.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    round: u64,
    /// The number of simultaneous clients.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// The seed of all choices. Default: a random seed, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// The MiB by which resident memory may grow after the first tenth of the rounds, which is at least two rounds. The memory
    /// that an allocator keeps varies by some MiB; a leak of 40 bytes for each request would be 38 MiB after a million.
    #[arg(long, default_value_t = 32)]
    growth: u64,
}

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// A panic ends only its own task. Without this it would not be noticed.
static PANICS: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() -> ExitCode {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        PANICS.fetch_add(1, Relaxed);
        usual(panicked);
    }));
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every statement holds.
async fn run(args: Args) -> Result<bool> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: `--seed {seed}` repeats the same choices\n");
    let mut chance = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    let until = begun + Duration::from_secs(args.seconds);
    let stage = Stage::set().await?;
    let mut total = Total::new(Usage::now());
    row::header();
    while total.requests < args.requests && Instant::now() < until {
        let requests = args.round.min(args.requests - total.requests);
        let row = stage
            .play(requests, args.clients, until, chance.fork(), total.before)
            .await?;
        row.print(total.rounds() + 1);
        total.add(row);
    }
    Ok(total.judge(begun.elapsed(), args.growth, PANICS.load(Relaxed)))
}
