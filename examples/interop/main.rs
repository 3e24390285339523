//! An axum application inside the mirror, and the server that records what arrives, for software that is not ours.
//!
//! ```text
//! cargo build --examples
//! python3 examples/interop/run.py --write   # starts all of it, and makes a table of docs/conformance.md
//! ```
//!
//! It speaks HTTP/1.1 and HTTP/2 (prior knowledge) on one port. With `--shadow` the application is mirrored, without it
//! the same application is the baseline. `--record` appends one line of JSON for each request that a handler gets:
//! its head, the number and the CRC-32 of its body's bytes, its trailers, and how the body ended. `--drain` makes it a
//! shadow: every request is read whole and answered with 200.
//!
//! Once it listens, it prints the address. SIGTERM and Ctrl-C end it: requests and copies in flight have ten seconds to
//! finish, and the last line is a JSON object of the copies by outcome, in total and by the value of `x-case`.

mod handlers;
mod record;

use std::{
    collections::BTreeMap,
    error::Error,
    fs::OpenOptions,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, middleware};
use clap::{Parser, ValueEnum};
use futures_util::FutureExt;
use serde_json::json;
use tokio::net::TcpListener;
use tower_mirror::{
    BodyMode, MirrorHandle, MirrorLayer,
    client::{HttpTargetBuilder, InvalidUrl},
};

use crate::record::Recorder;

const DRAIN: Duration = Duration::from_secs(10);

/// A server with which clients and other servers are tested.
#[derive(Debug, Parser)]
#[command(name = "interop")]
struct Args {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The file that gets a line for each request.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Every request is read whole and answered with 200.
    #[arg(long)]
    drain: bool,

    /// The server that gets copies. Without it nothing is mirrored.
    #[arg(long, value_name = "URL")]
    shadow: Option<HttpTargetBuilder>,

    /// What body copies have.
    #[arg(long, requires = "shadow", default_value = "buffered")]
    body: Body,

    /// Speak HTTP/2 (prior knowledge) to the shadow.
    #[arg(long, requires = "shadow")]
    shadow_http2: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Body {
    /// The request's own, sent once it is whole.
    Buffered,
    /// The request's own, relayed as it comes.
    Streaming,
}

/// Copies by case and outcome.
type Counts = Arc<Mutex<BTreeMap<String, BTreeMap<String, u64>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let args = Args::parse();
    let mut app = match args.drain {
        true => Router::new().fallback(handlers::drain),
        false => handlers::router(),
    };
    if let Some(path) = &args.record {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let recorder = Recorder::new(file);
        app = app.layer(middleware::map_request(move |request| {
            std::future::ready(recorder.watch(request))
        }));
    }

    let counts = Counts::default();
    let mut handle = None;
    if let Some(target) = &args.shadow {
        let mirror = mirror(&args, target.clone(), counts.clone())?;
        handle = Some(mirror.handle());
        app = app.layer(mirror);
    }

    let stopped = stop()?.boxed().shared();
    let listener = TcpListener::bind(args.listen).await?;
    say(format_args!("listening on {}", listener.local_addr()?));
    let server = axum::serve(listener, app)
        .with_graceful_shutdown(stopped.clone())
        .into_future();
    // A client that keeps an idle connection open must not keep the server from its last line.
    let mut server = tokio::spawn(server);
    tokio::select! {
        served = &mut server => served??,
        () = async { stopped.await; tokio::time::sleep(DRAIN).await } => server.abort(),
    }
    if let Some(handle) = handle {
        let aborted = handle.drain(DRAIN).await.aborted;
        say(summary(&handle, &counts, aborted));
    }
    Ok(())
}

/// Completes at SIGTERM or Ctrl-C, which do not end the process any more.
#[cfg(unix)]
fn stop() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(not(unix))]
fn stop() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(tokio::signal::ctrl_c().map(drop))
}

fn mirror(
    args: &Args,
    target: HttpTargetBuilder,
    counts: Counts,
) -> Result<MirrorLayer, InvalidUrl> {
    let target = match args.shadow_http2 {
        true => target.http2(),
        false => target,
    };
    let body = match args.body {
        Body::Buffered => BodyMode::Buffered,
        Body::Streaming => BodyMode::Streaming,
    };
    let mirror = MirrorLayer::builder(target.build()?)
        .body_mode(body)
        .route_label(|head| Some(case(head.headers.get("x-case")?.to_str().ok()?).to_owned()))
        .observer(move |report| {
            let case = report.route.as_deref().unwrap_or_default().to_owned();
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(case).or_default();
            *count.entry(report.outcome.to_string()).or_default() += 1;
        });
    Ok(mirror.build())
}

/// The name, without the number of the request that follows it.
fn case(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

fn summary(handle: &MirrorHandle, counts: &Counts, aborted: u64) -> String {
    let stats = handle.stats();
    let outcomes: BTreeMap<_, _> = stats
        .outcomes()
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.to_string(), count))
        .collect();
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let said = json!({
        "requests": stats.requests(),
        "in_flight": stats.in_flight(),
        "aborted_by_drain": aborted,
        "outcomes": outcomes,
        "cases": *counts,
    });
    said.to_string()
}

/// Prints a line. A reader that has left does not end the server.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
