//! Is v2 right? A shop is mirrored to its v2, and a second v1 answers the same copies as the baseline. v2 drops a field in
//! 1 of 200 items, if a client asks for that field. The comparison finds it, although every answer contains an identifier and a time that differ
//! in each answer of v1 too. Then v2 is repaired, and the comparison says so.
//!
//! ```text
//! cargo run --example compare   # plays it and checks every statement: exit status 0; takes about half a minute
//! ```
//!
//! - `stage.rs`: what you would write yourself: an app with the comparison around it
//! - `shop.rs`: the shop, v1 and v2; `load.rs`: its clients
//! - `play.rs`: what happens, step by step; `print.rs`: the output

mod load;
mod play;
mod print;
mod shop;
mod stage;

use std::process::ExitCode;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    match play::run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::from(2)
        }
    }
}
