//! A canary release on real sockets, after a well-known service-mesh example: `webapp` (axum) answers
//! from `catalog` v1 and mirrors every request to v2. Then v2 serves a tenth of the users, then half of them.
//! It is killed in the middle of a load, starts again, and finally serves all users.
//!
//! ```text
//! cargo run --example canary   # plays the release and checks every statement: exit status 0
//! ```
//!
//! - `webapp.rs`: what you would write yourself: the split, and the mirror inside or around it
//! - `catalog.rs`: v1 and v2; each is a server on its own thread, which can be killed
//! - `play.rs`: the release, step by step; `death.rs`: v2 is killed; `nesting.rs`: the place of a mirror
//! - `stage.rs`: the setting; `load.rs`: its clients; `seen.rs`: what each side observed of a load;
//!   `report.rs`: its output

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
