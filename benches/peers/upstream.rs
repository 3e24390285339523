//! The server behind the measured proxies. It reads every body to its end, and counts.
//!
//! `GET /counters` returns how many requests arrived completely, and the bytes of their bodies, which proves that copies
//! were received. It has one thread.

use std::{cell::Cell, convert::Infallible, net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::LocalSet, time::sleep};

/// An upstream that counts what it receives.
#[derive(Clone, Copy, Debug, Parser)]
struct Args {
    /// The address to listen on; with port 0 the system chooses the port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// How long it waits before it answers.
    #[arg(long, value_name = "N", conflicts_with = "never")]
    delay_ms: Option<u64>,

    /// Read requests and never answer them.
    #[arg(long)]
    never: bool,
}

#[derive(Debug, Default)]
struct Counters {
    requests: Cell<u64>,
    bytes: Cell<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    LocalSet::new().run_until(serve(args)).await
}

async fn serve(args: Args) -> std::io::Result<()> {
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let counters = Rc::new(Counters::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await; // usually no descriptor is left
            continue;
        };
        let _ = stream.set_nodelay(true);
        let counters = counters.clone();
        let service = service_fn(move |request| answer(args, counters.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::task::spawn_local(connection);
    }
}

async fn answer(
    args: Args,
    counters: Rc<Counters>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/counters" {
        let (requests, bytes) = (counters.requests.get(), counters.bytes.get());
        let json = format!(r#"{{"requests": {requests}, "bytes": {bytes}}}"#);
        return Ok(Response::new(json.into()));
    }
    let Some(bytes) = length(request.into_body()).await else {
        let mut answer = Response::default();
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(answer);
    };
    counters.requests.set(counters.requests.get() + 1);
    counters.bytes.set(counters.bytes.get() + bytes);
    if args.never {
        std::future::pending::<()>().await;
    }
    if let Some(millis) = args.delay_ms {
        sleep(Duration::from_millis(millis)).await;
    }
    Ok(Response::new("ok".into()))
}

/// The bytes of a complete body.
async fn length(mut body: Incoming) -> Option<u64> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.ok()?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Some(bytes)
}
