//! Mirroring on real sockets, after a well-known service-mesh exercise: `webapp` (axum, with the mirror
//! around it) answers from `catalog` v1 and mirrors every request to `catalog` v2. v2 adds an `imageUrl`
//! to its answers, then it hangs, then it is switched off. No client notices any of it.
//! At the end, the answers of v1 and of a new v2 are compared.
//!
//! ```text
//! cargo run --example catalog              # plays the exercise and checks every statement: exit status 0
//! cargo run --example catalog -- --serve   # keeps running, for curl and tcpdump
//! ```
//!
//! - `catalog.rs`: v1 and v2; each is a server on its own thread, which can hang and be switched off
//! - `webapp.rs`: what you would write yourself: an app with the layer around it
//! - `naive.rs`: a mirror as people write it by hand
//! - `right.rs`: the comparison of the answers
//! - `play.rs`: the exercise; `stage.rs`: its setting; `load.rs`: its clients; `report.rs`: its output
//! - `serve.rs`: `--serve`

mod catalog;
mod load;
mod naive;
mod play;
mod report;
mod right;
mod serve;
mod stage;
mod webapp;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Mirrors the traffic of one catalog to another one, and shows that clients do not notice.
#[derive(Parser)]
struct Args {
    /// Keep running on ports 9000 (webapp), 9001 (v1) and 9002 (v2), for curl and tcpdump.
    #[arg(long)]
    serve: bool,
    /// Write the latency of each request to this file, as `docs/picture.py` reads it.
    #[arg(long, value_name = "FILE", conflicts_with = "serve")]
    latencies: Option<PathBuf>,
}

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match args.serve {
        true => serve::run().await.map(|()| true),
        false => play::run(args.latencies.as_deref()).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("catalog: {error}");
            ExitCode::from(2)
        }
    }
}
