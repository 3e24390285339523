//! One `HttpTarget` on several runtimes: runtimes that end, that have no timers, or that are not
//! driven. This is a separate process, because a hook counts its panics.

use std::{
    future::Future, net::SocketAddr, panic, pin::pin, sync::Mutex, task::Poll, time::Duration,
};

use axum::{Router, body::Body, routing::any};
use futures_util::future::join_all;
use http::Request;
use http_body_util::BodyExt;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tower::ServiceExt;
use tower_mirror::HttpTarget;

/// A limit for tests that would otherwise hang. A test that passes never waits for it.
const HANG: Duration = Duration::from_secs(60);

fn driven() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn alone() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server that answers `/` with the bytes of the upload, and `/early` before it has the upload.
fn server(runtime: &Runtime) -> SocketAddr {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/", any(async |body: Body| body))
            .route("/early", any(async || "early"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    })
}

fn targets(address: SocketAddr) -> [HttpTarget; 2] {
    let builder = HttpTarget::builder(format!("http://{address}"));
    [builder.clone(), builder.http2()].map(|builder| builder.build().unwrap())
}

async fn ask(target: &HttpTarget, path: &str, size: usize) -> Option<usize> {
    let request = Request::post(path)
        .body(Body::from(vec![b'x'; size]))
        .unwrap();
    let answer = target.clone().oneshot(request).await.ok()?;
    Some(answer.into_body().collect().await.ok()?.to_bytes().len())
}

async fn within<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(HANG, waiting)
        .await
        .expect("the test hangs")
}

#[test]
fn runtimes_come_and_go() {
    let servers = driven();
    for target in targets(server(&servers)) {
        for _ in 0..20 {
            // Several requests run at the same time, and some of them end with their runtime.
            alone().block_on(within(async {
                let answers = join_all((0..4).map(|_| ask(&target, "/", 10))).await;
                assert_eq!(answers, [Some(10); 4]);
                let mut unanswered = pin!(ask(&target, "/", 1 << 20));
                std::future::poll_fn(|cx| {
                    assert!(unanswered.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                tokio::spawn({
                    let target = target.clone();
                    async move { ask(&target, "/", 1 << 20).await }
                });
            }));
        }
        // All connections of these runtimes have ended with them.
        alone().block_on(within(async {
            assert_eq!(ask(&target, "/", 10).await, Some(10));
            assert_eq!(target.connections(), 1);
        }));
    }
}

#[test]
fn connections_of_another_runtime_serve_one_without_timers() {
    // In a runtime without timers, tokio panics, and these two callers catch the panic. No other
    // panic is permitted.
    const CATCH: [&str; 2] = ["src/time.rs", "connect.rs"];
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_caught =
            |at: &panic::Location<'_>| CATCH.iter().any(|file| at.file().ends_with(file));
        if !info.location().is_some_and(is_caught) {
            PANICS.lock().unwrap().push(info.to_string());
            hook(info);
        }
    }));
    let servers = driven();
    let address = server(&servers);
    for target in targets(address) {
        let keep = async {
            let answers = join_all((0..8).map(|_| ask(&target, "/", 10))).await;
            assert_eq!(answers, [Some(10); 8]);
        };
        servers.block_on(within(keep));
        let bare = Builder::new_current_thread().build().unwrap();
        bare.block_on(async {
            for path in ["/", "/early"] {
                for size in [0, 10, 1 << 20] {
                    let whole = if path == "/" { size } else { 5 };
                    // There may be no response if a connection must be opened.
                    let answer = ask(&target, path, size).await;
                    assert!(answer.is_none_or(|length| length == whole), "{path} {size}");
                    let mut unanswered = Box::pin(ask(&target, path, size));
                    std::future::poll_fn(|cx| {
                        let _ = unanswered.as_mut().poll(cx);
                        Poll::Ready(())
                    })
                    .await;
                    drop(unanswered);
                    tokio::task::yield_now().await;
                }
            }
        });
        servers.block_on(within(async {
            let answers = join_all((0..8).map(|_| ask(&target, "/", 10))).await;
            assert_eq!(answers, [Some(10); 8]);
        }));
    }
    let panics = PANICS.lock().unwrap().clone();
    assert!(panics.is_empty(), "{panics:?}");
}

/// Connections of a runtime that is not driven do not answer. Each HTTP/1.1 connection of this kind
/// costs one request, and an HTTP/2 connection costs three.
#[test]
fn a_runtime_that_is_not_driven_costs_a_few_requests() {
    let servers = driven();
    let address = server(&servers);
    for (target, lost) in targets(address).into_iter().zip([1, 3]) {
        let still = alone();
        still.block_on(within(async {
            assert_eq!(ask(&target, "/", 10).await, Some(10));
        }));
        alone().block_on(within(async {
            for _ in 0..lost {
                let limit = Duration::from_millis(20);
                let unanswered = tokio::time::timeout(limit, ask(&target, "/", 10)).await;
                assert!(
                    unanswered.is_err(),
                    "a runtime that is not driven has answered"
                );
            }
            assert_eq!(ask(&target, "/", 10).await, Some(10));
        }));
        drop(still);
        alone().block_on(within(async {
            assert_eq!(ask(&target, "/", 10).await, Some(10));
        }));
    }
}
