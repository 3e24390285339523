//! The crate's main job on real sockets, after the known service-mesh exercise: `webapp` (axum,
//! with the mirror around it) answers from `catalog` v1 and mirrors every request to `catalog` v2.
//! v2 answers with an `imageUrl` more, hangs, and is switched off; no client ever notices.
//!
//! ```text
//! cargo run --example catalog              # plays the exercise and checks itself: exit status 0
//! cargo run --example catalog -- --serve   # stays up, for curl and tcpdump
//! ```
//!
//! - `catalog.rs`: v1 and v2, each a server on a thread of its own that can hang and be switched off
//! - `webapp.rs`: what you would write yourself: an app with the layer around it
//! - `naive.rs`: what people write by hand instead
//! - `play.rs`: the exercise; `stage.rs`: its setting; `load.rs`: its client; `report.rs`: its prints
//! - `serve.rs`: `--serve`

mod catalog;
mod load;
mod naive;
mod play;
mod report;
mod serve;
mod stage;
mod webapp;

use std::process::ExitCode;

use clap::Parser;

/// Mirrors the traffic of one catalog to another, and shows that clients do not notice.
#[derive(Parser)]
struct Args {
    /// Stay up on ports 9000 (webapp), 9001 (v1) and 9002 (v2), to try with curl and tcpdump.
    #[arg(long)]
    serve: bool,
}

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Args::parse().serve {
        true => serve::run().await.map(|()| true),
        false => play::run().await,
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
