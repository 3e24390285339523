//! A reverse proxy that mirrors and splits traffic.
//!
//! ```text
//! cargo run --release -p tower-mirror-proxy -- \
//!     --listen 127.0.0.1:8080 --primary http://127.0.0.1:9001 --shadow http://127.0.0.1:9002 \
//!     --percent 10 --admin 127.0.0.1:8081
//!
//! curl http://127.0.0.1:8080/                                             # through the proxy
//! curl http://127.0.0.1:8081/stats                                        # how the copies ended
//! curl http://127.0.0.1:8081/healthz                                      # 200 for as long as the process lives
//! curl http://127.0.0.1:8081/metrics                                      # the same and more, for Prometheus
//! curl -X PUT -d '{"percent": 12.5}' http://127.0.0.1:8081/mirror         # or {"paused": true}
//! ```
//!
//! Without `--shadow` it is a plain proxy: the same code without the layer, and so the reference for measurements.
//!
//! Instead of a primary it can have subsets, each with its weight, and with or without a shadow:
//!
//! ```text
//! cargo run --release -p tower-mirror-proxy -- \
//!     --listen 127.0.0.1:8080 --subset v1=90=http://127.0.0.1:9001 --subset v2=10=http://127.0.0.1:9002 \
//!     --sticky-header x-user --sticky-cookie uid --fallback v2=v1 --admin 127.0.0.1:8081
//!
//! curl -i http://127.0.0.1:8080/                                          # `x-served-by` names the subset
//! curl http://127.0.0.1:8081/split                                        # how many requests each subset served
//! curl -X PUT -d '{"v1": 50, "v2": 50}' http://127.0.0.1:8081/split       # a missing name keeps its weight
//! ```
//!
//! With `--compare`, and in most cases `--baseline`, the answers of the shadow are compared with those of the primary:
//!
//! ```text
//! curl http://127.0.0.1:8081/compare                                      # the report, as JSON with `Accept: application/json`
//! curl http://127.0.0.1:8081/verdict                                      # JSON; `/verdict/pass` and `/verdict/fail` answer by status
//! curl -X DELETE http://127.0.0.1:8081/compare                            # begins again, for another v2
//! ```
//!
//! `dashboards/grafana.json` is a dashboard of these metrics, `dashboards/alerts.yaml` are alerts for Prometheus.
//!
//! `--help` lists all options. The proxy speaks HTTP/1.1 and HTTP/2 (prior knowledge) to clients, and HTTP/1.1 to the
//! primary, or HTTP/2 with `--primary-http2`, as gRPC needs. The `Host` that the client sent goes to the primary without
//! a change. An offer to upgrade (WebSocket) is passed on over HTTP/1.1. A request that offers h2c or TLS is served as an
//! ordinary request. A connection that has switched protocols ends with the process, without a drain.
//!
//! | case | status, with the reason in one line |
//! |---|---|
//! | `CONNECT`, and transfer codings except `chunked` | 501 |
//! | the primary cannot be reached, or breaks off | 502 |
//! | the request is the cause, for example because its body broke off | 400 |
//! | no subset has weight, or the chosen subset is not ready in time | 503 |
//!
//! It writes to standard error which requests it copies to which shadow, the first copy that failed for each reason
//! (then the 2nd, 4th, 8th and so on), and at the end how many failed. Each option has a variable in the environment:
//! `--shadow` is `TOWER_MIRROR_SHADOW`.
//!
//! When it listens, it prints its address to standard output; with port 0 this shows the port that the system chose.
//! SIGTERM or Ctrl-C ends it: requests and copies in flight have `--drain-timeout-ms` to finish (a second signal ends
//! this wait), a last line sums up, and the exit status is 0. It is 2 for bad arguments and for an address that is not
//! available.

mod admin;
mod args;
mod compare;
mod hop;
mod log;
mod proxy;
mod serve;
mod split;
mod stop;

use std::{
    fmt,
    io::{self, Write},
    iter,
    net::SocketAddr,
    process::ExitCode,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use hyper::body::Incoming;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tower::Layer;
use tower_mirror::{MirrorHandle, SplitHandle, TeeBody, mirror::DrainReport, split::SplitStats};

use crate::{
    admin::Handles,
    args::{Args, Around, Backend},
    log::Log,
    proxy::{Forward, Proxy},
    stop::Stop,
};

/// A proxy allocates a few dozen times for each request. With this allocator it uses a fifteenth less CPU time than with glibc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::of_process();
    let outcome = match args.backend() {
        Ok(Backend::Primary(primary)) => block_on(args.workers, run(args, primary, None)),
        Ok(Backend::Split(split)) => {
            let handle = split.handle();
            block_on(args.workers, run(args, split, Some(handle)))
        }
        Err(error) => error.exit(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn block_on(
    workers: u16,
    run: impl Future<Output = io::Result<()>> + Send + 'static,
) -> io::Result<()> {
    // One worker needs no scheduler that moves tasks between threads.
    let mut runtime = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime
        .worker_threads(workers.into())
        .enable_all()
        .build()?;
    // The spawned task runs on a worker thread. `block_on` would run the future on this thread, beside the workers.
    let outcome = runtime.block_on(runtime.spawn(run));
    // Does not wait for a name that is still being resolved.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}

/// Serves with this backend. If it is a split, `split` is its handle.
async fn run<S>(args: Args, backend: S, split: Option<SplitHandle>) -> io::Result<()>
where
    S: Forward<Incoming> + Forward<TeeBody<Incoming>>,
{
    let log = Log::start();
    let around = args.around(log.failures()).map_err(io::Error::other)?;
    let handles = Handles {
        split,
        ..around.handles()
    };
    let limit = args.drain_timeout();
    let proxy = Proxy::new(backend);
    let served = proxy.served();

    let mut stop = Stop::new()?;
    let listener = listen(args.listen).await?;
    let admin = match args.admin {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    say(format_args!("listening on {}", listener.local_addr()?));
    if let Some(listener) = admin {
        say(format_args!("admin on {}", listener.local_addr()?));
        let router = admin::router(handles.clone())?;
        tokio::spawn(admin::serve(listener, router));
    }

    log.line(&args);

    let left = match around {
        Around::Nothing => serve::serve(listener, proxy, limit, &mut stop).await,
        Around::Mirror(layer) => serve::serve(listener, layer.layer(proxy), limit, &mut stop).await,
        Around::Compare(layer) => {
            serve::serve(listener, layer.layer(proxy), limit, &mut stop).await
        }
    };
    let mirrored = match handles.mirror {
        None => None,
        Some(mirror) => {
            let drained = drain(&mirror, left, &mut stop).await;
            Some((mirror, drained))
        }
    };
    if let Some(failed) = mirrored
        .as_ref()
        .and_then(|(mirror, _)| log::total(&mirror.stats()))
    {
        log.line(failed);
    }
    if let Some(compare) = handles.compare {
        log.line(compare.report().one_line());
    }
    log.finish().await;
    say(Summary {
        served: served.load(Relaxed),
        split: handles.split.map(|split| split.stats()),
        mirrored,
    });
    Ok(())
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

async fn drain(handle: &MirrorHandle, left: Duration, stop: &mut Stop) -> DrainReport {
    tokio::select! {
        drained = handle.drain(left) => drained,
        () = stop.asked() => handle.drain(Duration::ZERO).await,
    }
}

/// The last line.
struct Summary {
    served: u64,
    split: Option<SplitStats>,
    mirrored: Option<(MirrorHandle, DrainReport)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "served {} requests", self.served)?;
        let subsets = self.split.iter().flat_map(|split| &split.subsets);
        for (subset, before) in subsets.zip(iter::once(": ").chain(iter::repeat(", "))) {
            write!(f, "{before}{} {}", subset.name, subset.served())?;
        }
        if let Some((mirror, drained)) = &self.mirrored {
            let stats = mirror.stats();
            write!(f, "; mirrored {}", stats.admitted())?;
            for (outcome, count) in stats.outcomes().filter(|(_, count)| *count > 0) {
                write!(f, ", {outcome} {count}")?;
            }
            write!(f, "; {} copies aborted by the drain", drained.aborted)?;
        }
        Ok(())
    }
}

/// Prints a line. An error is ignored, because the program goes on if its output is closed.
fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
