//! Row 1: hyper's graceful shutdown under load.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Notify};

use crate::{
    clients::{Client, get, legacy, ours},
    compare,
    servers::{accepting, listen},
};

/// After so many requests a connection is shut down.
const REQUESTS: usize = 24;
const CLIENTS: usize = 16;
const ROUNDS: usize = 32;

type Received = Arc<Mutex<HashMap<String, usize>>>;

/// Serves a connection, and shuts it down in the middle of its load.
async fn serve(version: Version, stream: TcpStream, received: Received) -> io::Result<()> {
    let (served, enough) = (AtomicUsize::new(0), Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        *received.lock().unwrap().entry(path).or_default() += 1;
        if served.fetch_add(1, SeqCst) + 1 == REQUESTS {
            enough.notify_one();
        }
        async { Ok::<_, io::Error>(Response::new(Full::new(Bytes::from(vec![b'x'; 20_000])))) }
    });
    let stream = TokioIo::new(stream);
    macro_rules! until_shut_down {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            tokio::select! {
                _ = connection.as_mut() => return Ok(()),
                () = enough.notified() => connection.as_mut().graceful_shutdown(),
            }
            connection.await.map_err(io::Error::other)
        }};
    }
    if version == Version::HTTP_2 {
        let server = conn::http2::Builder::new(TokioExecutor::new());
        until_shut_down!(server.serve_connection(stream, service))
    } else {
        let server = conn::http1::Builder::new();
        until_shut_down!(server.serve_connection(stream, service))
    }
}

/// The requests without a whole response, and those that the server got more than once.
async fn load(version: Version, make: impl FnOnce(SocketAddr) -> Client) -> (usize, usize) {
    let (listener, address) = listen().await;
    let received = Received::default();
    let counts = received.clone();
    let accepted = accepting(listener, move |_, stream| {
        serve(version, stream, counts.clone())
    });
    let client = make(address);
    let all = join_all((0..CLIENTS).map(|of| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut lost = 0;
            for number in 0..ROUNDS {
                match client.send(get(address, &format!("/{of}/{number}"))).await {
                    Ok(body) => assert_eq!(body.len(), 20_000),
                    Err(_) => lost += 1,
                }
            }
            lost
        })
    }));
    let lost = all.await.into_iter().map(|lost| lost.unwrap()).sum();
    // Otherwise nothing was shut down.
    assert!(accepted.load(SeqCst) >= CLIENTS * ROUNDS / REQUESTS / 2);
    let repeated = received
        .lock()
        .unwrap()
        .values()
        .filter(|it| **it > 1)
        .count();
    (lost, repeated)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_shutdown_under_load_loses_nothing_over_http2() {
    let version = Version::HTTP_2;
    let (lost, repeated) = load(version, |address| {
        ours(address, |it| it.http2().retry_idempotent(false))
    })
    .await;
    let (by_legacy, _) = load(version, |_| legacy(|it| it.http2_only(true))).await;
    compare("graceful shutdown, HTTP/2", [lost, by_legacy]);
    assert_eq!((lost, repeated), (0, 0));
}

/// A server that shuts an idle connection down does not read a request that is on its way. Only a retry helps there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_shutdown_under_load_loses_nothing_over_http1() {
    let version = Version::HTTP_11;
    let (lost, repeated) = load(version, |address| ours(address, |it| it)).await;
    let (by_legacy, _) = load(version, |_| legacy(|it| it)).await;
    compare("graceful shutdown, HTTP/1.1", [lost, by_legacy]);
    assert_eq!((lost, repeated), (0, 0));
}
