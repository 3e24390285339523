//! A service with at most 1024 descriptors continues to answer while its shadow hangs. This is a
//! separate test binary, because the limit applies to the whole process.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use futures_util::{StreamExt, stream};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_mirror::{HttpTarget, MirrorLayer, Outcome};

const DESCRIPTORS: u64 = 1024;
/// This is several times the number that the limit would permit if each request left a connection
/// open.
const CONNECTIONS: u64 = 4000;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Opens a connection, sends one request and reads the whole response.
async fn answer(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = b"GET / HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut seen = String::new();
    stream.read_to_string(&mut seen).await?;
    Ok(seen)
}

#[tokio::test]
async fn a_hung_shadow_does_not_use_up_the_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(DESCRIPTORS);
    setrlimit(Resource::Nofile, limit).unwrap();

    let (listener, shadow) = listen().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => held.push(stream), // the connection is never read and never answered
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let target = HttpTarget::new(&format!("http://{shadow}")).unwrap();
    let mirror = MirrorLayer::new(target);
    let handle = mirror.handle();
    let app = Router::new()
        .route("/", get(async || "primary"))
        .layer(mirror);
    let (listener, address) = listen().await;
    tokio::spawn(axum::serve(listener, app).into_future());

    let answers = stream::iter(0..CONNECTIONS)
        .map(|_| answer(address))
        .buffer_unordered(20)
        .collect::<Vec<_>>()
        .await;
    for answer in answers {
        let answer = answer.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("primary"),
            "{answer}"
        );
    }
    let stats = handle.stats();
    assert_eq!(stats.requests(), CONNECTIONS, "{stats}");
    assert!(stats.in_flight() <= 128, "{stats}");
    assert!(stats.outcome(Outcome::InFlightLimit) > 0, "{stats}");
}
