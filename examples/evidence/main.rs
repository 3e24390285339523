//! Does the error rate of `compare` hold? `cargo run --release --example evidence` simulates answers with many kinds of noise,
//! and looks after each request.
//!
//! Each row has an expected value with its tolerance, and a measured value. The exit status is 1 if a row does not hold. Each run of
//! a simulation has its own seed, so the result is the same on every machine.

mod always;
mod check;
mod latency;
mod noise;
mod parallel;
mod pass;
mod power;
mod routes;
mod rules;

use std::{process::ExitCode, time::Instant};

use clap::Parser;

use self::{check::Table, parallel::Runs};

/// Simulates comparisons with many kinds of noise, and checks error rates and numbers of requests.
#[derive(Parser)]
struct Options {
    /// The seed of all simulations. With another seed than the default one row in about a thousand may miss its tolerance.
    #[arg(long, default_value_t = 15)]
    seed: u64,
}

fn main() -> ExitCode {
    let runs = Runs::new(Options::parse().seed);
    let start = Instant::now();
    println!(
        "A row holds if its measured value is within the tolerance. The tolerance comes from the number of runs: a\n\
         correct program misses it in one of 1000 rows at most. \"Every look\" means after each request."
    );
    let mut table = Table::default();
    always::rows(&mut table, &runs);
    power::rows(&mut table, &runs);
    pass::rows(&mut table, &runs);
    routes::rows(&mut table, &runs);
    latency::rows(&mut table, &runs);
    println!(
        "\n{} of {} rows hold, after {:.0} s",
        table.held(),
        table.rows(),
        start.elapsed().as_secs_f64()
    );
    if table.held() == table.rows() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
