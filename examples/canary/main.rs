//! A canary release on real sockets, after the known service-mesh example: `webapp` (axum) answers
//! from `catalog` v1 and mirrors every request to v2; then v2 serves a tenth of its users, then
//! half of them, is killed in the middle of it, comes back, and at last serves everybody.
//!
//! ```text
//! cargo run --example canary   # plays the release and checks itself: exit status 0
//! ```
//!
//! - `webapp.rs`: what you would write yourself: the split, and the mirror within or around it
//! - `catalog.rs`: v1 and v2, each a server on a thread of its own that can be killed
//! - `play.rs`: the release, step by step; `death.rs`: v2 is killed; `nesting.rs`: where a mirror goes
//! - `stage.rs`: the setting; `load.rs`: its clients; `seen.rs`: what both sides saw of a load;
//!   `report.rs`: its prints

mod catalog;
mod death;
mod load;
mod nesting;
mod play;
mod report;
mod seen;
mod stage;
mod webapp;

use std::process::ExitCode;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    match play::run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("canary: {error}");
            ExitCode::from(2)
        }
    }
}
