//! A mirror for the test suites of others, which `suites.py` builds as a crate of its own and puts around their services.
//!
//! The environment says what it does: `MIRROR_BODY` is `buffered`, `streaming` or `off`, `MIRROR_SHADOW` a shadow that speaks HTTP/2.
//! Without that variable a server on a thread of its own reads every copy whole. `MIRROR_REPORT` is a folder, in which each
//! process keeps a file with its counts.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    env, fs,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
pub use tower_mirror::TeeBody as Tee;
use tower_mirror::{BodyMode, HttpTarget, MirrorHandle, MirrorLayer};

struct Process {
    layer: MirrorLayer,
    report: Option<String>,
    written: Mutex<BTreeMap<String, u64>>,
}

/// Copies by outcome and path.
static ROUTES: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

static PROCESS: OnceLock<Process> = OnceLock::new();

/// Whether services are to be left as they are.
pub fn is_off() -> bool {
    env::var("MIRROR_BODY").is_ok_and(|body| body == "off")
}

/// The one mirror of this process.
pub fn layer() -> MirrorLayer {
    PROCESS.get_or_init(start).layer.clone()
}

fn start() -> Process {
    let target = match env::var("MIRROR_SHADOW") {
        Ok(url) => HttpTarget::builder(&url).http2().build().expect("a URL"),
        Err(_) => HttpTarget::new(&format!("http://{}", shadow())).expect("a URL"),
    };
    let body = match env::var("MIRROR_BODY").as_deref() {
        Ok("streaming") => BodyMode::Streaming,
        _ => BodyMode::Buffered,
    };
    let layer = MirrorLayer::builder(target)
        .body_mode(body)
        .route_label(|head| Some(head.uri.path().to_owned()))
        .observer(|report| {
            let label = format!(
                "{}@{}",
                report.outcome,
                report.route.as_deref().unwrap_or_default()
            );
            *lock(&ROUTES).entry(label).or_default() += 1;
            // The process may end before the thread wakes up.
            write();
        })
        .build();
    let report = env::var("MIRROR_REPORT").ok();
    let report = report.map(|folder| format!("{folder}/{}.json", std::process::id()));
    if report.is_some() {
        thread::spawn(|| {
            loop {
                thread::sleep(Duration::from_millis(2));
                write();
            }
        });
    }
    let written = Mutex::default();
    Process {
        layer,
        report,
        written,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write() {
    let Some(process) = PROCESS.get() else { return };
    let Some(path) = &process.report else { return };
    let counts = counts(&process.layer.handle());
    let mut written = lock(&process.written);
    if *written != counts {
        let pairs: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("\"{name}\": {count}"))
            .collect();
        let partial = format!("{path}.partial");
        fs::write(&partial, format!("{{{}}}\n", pairs.join(", "))).expect("a report");
        fs::rename(partial, path).expect("a report");
        *written = counts;
    }
}

fn counts(handle: &MirrorHandle) -> BTreeMap<String, u64> {
    let stats = handle.stats();
    let outcomes = stats.outcomes().filter(|(_, count)| *count > 0);
    let mut counts: BTreeMap<String, u64> = outcomes
        .map(|(name, count)| (name.to_string(), count))
        .collect();
    counts.insert("requests".to_owned(), stats.requests());
    counts.insert("in_flight".to_owned(), stats.in_flight());
    counts.extend(lock(&ROUTES).clone());
    counts
}

/// Where every request is read whole and answered with nothing.
fn shadow() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    listener.set_nonblocking(true).expect("a socket");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let server = Arc::new(auto::Builder::new(TokioExecutor::new()));
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let answered = server
                        .serve_connection(TokioIo::new(stream), service_fn(answer))
                        .await;
                    // Copies that break off are counted by the mirror.
                    drop(answered);
                });
            }
        });
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(Response::new(Empty::new()))
}
