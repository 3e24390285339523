//! A load of GET requests on one server, by `HttpTarget` or by hyper-util's legacy client. It counts the requests that get no
//! whole response.
//!
//! ```text
//! cargo build --examples
//! python3 examples/interop/limits.py   # starts servers with small limits, and this against each of them
//! ```
//!
//! As `target`, an `HttpTarget` is the primary of a mirror whose shadow is another `HttpTarget` to the same server, so that
//! each request also has a copy. As `legacy` there are no copies. The last line is a JSON object: the requests, those that
//! were lost, and the copies by outcome.

use std::{
    collections::BTreeMap,
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::json;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};
use tower_mirror::{BoxError, HostRewrite, HttpTarget, MirrorHandle, MirrorLayer};

/// Loads a server.
#[derive(Debug, Parser)]
#[command(name = "interop_load")]
struct Args {
    /// The client.
    #[arg(value_enum)]
    by: By,

    /// The server: `http://host:port`.
    url: String,

    /// Speak HTTP/2 (prior knowledge).
    #[arg(long)]
    http2: bool,

    /// How many requests there are.
    #[arg(long, default_value_t = 1500)]
    requests: usize,

    /// How many requests there are at a time.
    #[arg(long, default_value_t = 80)]
    at_a_time: usize,

    /// The milliseconds between the end of a request and the next one in its place, give or take a twentieth.
    #[arg(long, default_value_t = 0)]
    pause: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// `HttpTarget`, with a copy of each request to the same server.
    Target,
    /// hyper-util's legacy client.
    Legacy,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let args = Arc::new(Args::parse());
    let (lost, copies) = match args.by {
        By::Target => by_target(args.clone()).await?,
        By::Legacy => {
            let mut client = Client::builder(TokioExecutor::new());
            client
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new());
            let client = client.http2_only(args.http2).build_http::<Empty<Bytes>>();
            (load(args.clone(), client).await?, BTreeMap::new())
        }
    };
    println!(
        "{}",
        json!({ "requests": args.requests, "lost": lost, "copies": copies })
    );
    Ok(())
}

async fn by_target(
    args: Arc<Args>,
) -> Result<(usize, BTreeMap<String, u64>), Box<dyn Error + Send + Sync>> {
    let target = || {
        let target = HttpTarget::builder(&args.url);
        let target = if args.http2 { target.http2() } else { target };
        Ok::<_, BoxError>(target.build()?)
    };
    let mirror = MirrorLayer::builder(target()?)
        .host_rewrite(HostRewrite::preserve())
        .max_in_flight(args.requests)
        .build();
    let handle: MirrorHandle = mirror.handle();
    let service = tower::Layer::layer(&mirror, target()?);
    let lost = load(args, service).await?;
    handle.wait_idle().await;
    let outcomes = handle.stats();
    let outcomes = outcomes.outcomes().filter(|(_, count)| *count > 0);
    Ok((
        lost,
        outcomes
            .map(|(outcome, count)| (outcome.to_string(), count))
            .collect(),
    ))
}

/// How many requests were lost.
async fn load<S, B>(args: Arc<Args>, service: S) -> Result<usize, BoxError>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let begun = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..args.at_a_time {
        let (args, begun, service) = (args.clone(), begun.clone(), service.clone());
        callers.spawn(async move {
            let mut lost = 0;
            while begun.fetch_add(1, Relaxed) < args.requests {
                if let Err(error) = get(service.clone(), &args.url).await {
                    eprintln!("lost: {error:?}");
                    lost += 1;
                }
                if args.pause > 0 {
                    let spread = args.pause as f64 * (0.95 + fastrand::f64() / 10.0);
                    tokio::time::sleep(Duration::from_secs_f64(spread / 1000.0)).await;
                }
            }
            lost
        });
    }
    Ok(callers.join_all().await.into_iter().sum())
}

/// A response that is not 200, or that ends early, is an error.
async fn get<S, B>(service: S, url: &str) -> Result<(), BoxError>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let request = Request::get(url).body(Empty::new())?;
    let response = service.oneshot(request).await.map_err(Into::into)?;
    if response.status() != StatusCode::OK {
        return Err(io::Error::other(format!("status {}", response.status())).into());
    }
    response.into_body().collect().await.map_err(Into::into)?;
    Ok(())
}
