//! Request hedging, the sibling of mirroring: the same copy, but the first answer wins. A client
//! sends orders to a server that is slow once in a while; whoever has waited longer than usual
//! is given a second chance, and the tail is gone.
//!
//! ```text
//! cargo run --example hedge   # plays it and checks itself: exit status 0
//! ```
//!
//! - `stack.rs`: what you would write yourself: `RequestBodyBufferLayer` in front of `tower::hedge`
//! - `server.rs`: the server with a slow tail; `load.rs`: its clients; `report.rs`: the prints

mod load;
mod report;
mod server;
mod stack;

use std::process::ExitCode;

use tower_mirror::HttpTarget;

use crate::{
    load::{Load, REQUESTS},
    report::Facts,
    server::{SLOW, Server},
    stack::{MAX_BYTES, hedged, plain},
};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hedge: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<bool> {
    println!(
        "A server answers orders at once, but one in twenty after {} ms. Clients send {REQUESTS}.\n",
        SLOW.as_millis()
    );
    let server = Server::start().await?;
    let without = Load::send(&plain(server.target()?)).await;
    let calls_without = server.calls();

    let server = Server::start().await?;
    let hedging = hedged(server.target()?);
    let with = Load::send(&hedging).await;
    let calls_with = server.calls();

    report::table(&[
        ("without", &without, calls_without),
        ("hedged after 20 ms", &with, calls_with),
    ]);
    println!();

    let mut facts = Facts { all_hold: true };
    facts.check(
        without.right == REQUESTS && with.right == REQUESTS,
        "every client got the right answer, to a body sent once or twice",
    );
    facts.check(without.at(99) >= SLOW, "without, the tail is the server's");
    facts.check(with.at(99) < SLOW / 2, "hedged, it is gone at p99");
    let extra = calls_with.saturating_sub(REQUESTS);
    facts.check(
        (REQUESTS / 20..REQUESTS / 5).contains(&extra),
        format!("for {extra} calls more, {} %", extra * 100 / REQUESTS),
    );

    let before = server.calls();
    let large = load::order(&hedging, REQUESTS + load::SLOW_ONCE, MAX_BYTES + 1).await;
    facts.check(
        large.is_ok_and(|latency| latency >= SLOW) && server.calls() == before + 1,
        "a body over the buffer's cap is served too, but cannot be sent twice",
    );
    println!(
        "
What tower's `Hedge` asks of you: only requests that may happen twice should be hedged; one whose
second call fails before the first has answered gets the failure; and the call that loses is
dropped, which over HTTP/1 closes its connection.
"
    );
    match facts.all_hold {
        true => println!("All of it is so."),
        false => println!("Something is NOT SO."),
    }
    Ok(facts.all_hold)
}

impl Server {
    fn target(&self) -> Result<HttpTarget> {
        Ok(HttpTarget::new(&self.url())?)
    }
}
