//! Request hedging, which is related to mirroring: a request is sent twice, and the first answer counts. A client
//! sends orders to a server that is sometimes slow. A request that takes longer than usual is sent a second time,
//! and the long latencies disappear.
//!
//! ```text
//! cargo run --example hedge   # runs and checks itself: exit status 0
//! ```
//!
//! - `stack.rs`: what you would write yourself: `RequestBodyBufferLayer` in front of `tower::hedge`
//! - `server.rs`: the server that is sometimes slow; `load.rs`: its clients; `report.rs`: the output

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
        "A server answers orders at once, except one in twenty, which it answers after {} ms. Clients send {REQUESTS}.\n",
        SLOW.as_millis()
    );
    let server = Server::start().await?;
    let without = Load::send(&plain(server.target()?)).await;
    let (calls_without, slow_without) = (server.calls(), server.slow_answers());

    let server = Server::start().await?;
    let hedging = hedged(server.target()?);
    let with = Load::send(&hedging).await;
    let (calls_with, slow_with) = (server.calls(), server.slow_answers());

    report::table(&[
        ("without", &without, calls_without),
        ("hedged after 20 ms", &with, calls_with),
    ]);
    println!();

    let mut facts = Facts { all_hold: true };
    facts.check(
        without.right == REQUESTS && with.right == REQUESTS,
        "every client received the correct answer, whether its body was sent once or twice",
    );
    facts.check(
        slow_without == REQUESTS / 20 && without.at(99) >= SLOW,
        format!("without hedging, clients wait for {slow_without} slow answers: p99"),
    );
    // How many it is depends on the machine: a second call may be slow too, if the machine is busy.
    facts.check(
        slow_with < slow_without,
        format!("with hedging, clients wait for {slow_with}"),
    );
    let extra = calls_with.saturating_sub(REQUESTS);
    facts.check(
        extra >= REQUESTS / 20,
        format!("{extra} additional calls, {} %", extra * 100 / REQUESTS),
    );

    let before = server.calls();
    let large = load::order(&hedging, REQUESTS + load::SLOW_ONCE, MAX_BYTES + 1).await;
    facts.check(
        large.is_ok_and(|latency| latency >= SLOW) && server.calls() == before + 1,
        "a body over the limit of the buffer is served too, but cannot be sent twice",
    );
    println!(
        "
Before you use tower's `Hedge`: hedge only requests that may be performed twice. If the second call
fails before the first one has answered, the client receives the failure. The slower call is dropped,
which closes its connection over HTTP/1.
"
    );
    match facts.all_hold {
        true => println!("Every statement above was checked and holds."),
        false => println!("A statement above does not hold; it is marked FAILED."),
    }
    Ok(facts.all_hold)
}

impl Server {
    fn target(&self) -> Result<HttpTarget> {
        Ok(HttpTarget::new(&self.url())?)
    }
}
