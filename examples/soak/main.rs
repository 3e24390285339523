//! Much traffic of all kinds, over real sockets, through a mirror around a split, while everything about it changes: its
//! shadow hangs, lies and dies, rates and weights move, it is paused, resumed and drained. Clients may notice none of it, and
//! after each round the books must balance and nothing may be left over.
//!
//! ```text
//! cargo run --release --example soak                                    # 200 000 requests
//! cargo run --release --example soak -- --requests 10000000 --seconds 7200 --round 100000
//! cargo run --release --example soak -- --seed 7                        # the same choices again
//! ```
//!
//! The seed decides what every client asks and what goes wrong with the shadow, not how the system interleaves it. The exit
//! status is 0 if all that is said in the end was so, 1 if not, 2 if the run could not be made.
//!
//! - `play.rs`: one round, from a new mirror to its drain; `tickets.rs`: its bounds; `row.rs`: what it came to
//! - `client.rs`: clients, `ask.rs`: what they ask, `upload.rs`: the bodies they send
//! - `shadow.rs`: a shadow with faults; `meddle.rs`: who switches them on and off, and steers mirror and split
//! - `server.rs`: any server; `primary.rs`: v1 and v2; `usage.rs`: descriptors and memory

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

/// Sends much traffic through a mirror and a split while everything about them changes.
#[derive(Clone, Parser)]
struct Args {
    /// Requests in all.
    #[arg(long, default_value_t = 200_000)]
    requests: u64,
    /// Seconds after which no further request is made.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Requests of a round, which has a mirror of its own.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    round: u64,
    /// Clients at a time.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// What all choices follow from. Default: a random one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// MiB by which resident memory may grow after the first tenth of the rounds, at least two. What an allocator keeps
    /// varies by some MiB from round to round; a leak of 40 bytes a request would be 38 MiB after a million.
    #[arg(long, default_value_t = 32)]
    growth: u64,
}

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// A task that panics ends alone, and would be noticed by nobody.
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

/// Whether all was as it must be.
async fn run(args: Args) -> Result<bool> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: `--seed {seed}` makes the same choices again\n");
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
