//! A target with a hostile server takes no connection and no lookup from another target.

use std::{
    convert::Infallible,
    future::{Future, pending},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use http::{Request, StatusCode};
use http_body_util::Empty;
use tokio::net::TcpListener;
use tower::{ServiceExt, service_fn};
use tower_mirror::client::{HttpTarget, Name};

/// More than the 128 connections of a target.
const REQUESTS: usize = 200;

async fn get(target: HttpTarget) -> StatusCode {
    let request = Request::new(Empty::<Bytes>::new());
    target.oneshot(request).await.unwrap().status()
}

/// All requests to the good target are answered, while those to the bad one wait.
async fn only_one_waits(bad: HttpTarget, good: HttpTarget) {
    let bad = (0..REQUESTS).map(|_| get(bad.clone()));
    let good = (0..REQUESTS).map(|_| get(good.clone()));
    let both = select(join_all(good), join_all(bad));
    let answered = tokio::time::timeout(Duration::from_secs(60), both).await;
    match answered.expect("it hangs") {
        Either::Left((answers, _)) => assert_eq!(answers, [StatusCode::OK; REQUESTS]),
        Either::Right(_) => panic!("the bad server has answered"),
    }
}

async fn good_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(async || "whole");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_server_that_hangs_takes_no_connection_from_another() {
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bad = format!("http://{}", hung.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = hung.accept().await {
            counter.fetch_add(1, SeqCst);
            open.push(stream);
        }
    });
    let good = format!("http://{}", good_server().await);
    let (bad, good) = (HttpTarget::new(&bad), HttpTarget::new(&good));
    only_one_waits(bad.unwrap(), good.unwrap()).await;
    assert!(accepted.load(SeqCst) <= 128);
}

/// A resolver that counts its lookups.
fn resolver<F>(
    lookups: &Arc<AtomicUsize>,
    answer: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> impl tower::Service<
    Name,
    Response = std::array::IntoIter<SocketAddr, 1>,
    Error = Infallible,
    Future = impl Future<Output = Result<std::array::IntoIter<SocketAddr, 1>, Infallible>> + Send,
> + Clone
+ Send
+ Sync
+ 'static
where
    F: Future<Output = SocketAddr> + Send,
{
    let lookups = lookups.clone();
    service_fn(move |_: Name| {
        lookups.fetch_add(1, SeqCst);
        let answer = answer();
        async move { Ok([answer.await].into_iter()) }
    })
}

#[tokio::test]
async fn a_name_that_does_not_resolve_takes_no_lookup_from_another() {
    let address = good_server().await;
    let (bad_lookups, good_lookups) = (Arc::default(), Arc::default());
    let bad = HttpTarget::builder("http://slow.test")
        .connect_timeout(Duration::from_secs(600))
        .resolver(resolver(&bad_lookups, pending));
    let good = HttpTarget::builder(format!("http://quick.test:{}", address.port()))
        .resolver(resolver(&good_lookups, move || std::future::ready(address)));
    only_one_waits(bad.build().unwrap(), good.build().unwrap()).await;
    assert_eq!(bad_lookups.load(SeqCst), 1);
    assert!(good_lookups.load(SeqCst) > 0);
}
