//! A conversation that its client cancels: the outcome is the same for every part that may notice
//! it first.

use std::convert::Infallible;

use axum::{Router, body::Body, extract::Request, routing::any};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tower_mirror::Outcome;

use super::{
    primary::primary,
    rig::{Ended, Rig, WAYS, Way},
};
use tower_mirror_testing::{
    by_hand::*,
    server::{Server, within},
};

const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

/// Answers each frame with the same frame, as a bidirectional call does.
fn talking() -> Router {
    Router::new().fallback(any(async |request: Request| {
        let frames = request.into_body().into_data_stream();
        Body::from_stream(frames)
    }))
}

/// Reads on a separate task, and sends nothing before the call has ended.
fn listening() -> Router {
    Router::new().fallback(any(async |request: Request| {
        let reading = tokio::spawn(request.into_body().collect());
        Body::from_stream(stream::once(async move {
            let _ = reading.await;
            Ok::<_, Infallible>(Bytes::new())
        }))
    }))
}

/// Does not read, and continues to answer.
fn deaf() -> Router {
    Router::new().fallback(any(async |request: Request| {
        let kept = request.into_body();
        Body::from_stream(
            stream::pending::<Result<Bytes, Infallible>>().map(move |frame| {
                let _ = &kept;
                frame
            }),
        )
    }))
}

/// The part of the stream that the client cancels.
async fn cancel(mut rig: Rig, path: &str, reads: bool, reason: u32) -> Ended {
    let mut client = Client::connect(rig.primary.address).await;
    client
        .write(&[head("POST", path, &GRPC), data(b"\0\0\0\0\x05hello")])
        .await;
    if reads {
        rig.read(10).await;
    }
    assert_eq!(within(client.status()).await, Ok(200));
    client.write(&[reset(reason)]).await;
    within(rig.handle.wait_idle()).await;
    within(client.closed()).await;
    rig.end().await
}

async fn is_the_clients(way: Way, case: &str, app: fn() -> Router, reads: bool) {
    for reason in [CANCEL, NO_ERROR] {
        let case = format!("{case} {reason} {way:?}");
        let rig = Rig::with(way, app()).await;
        let ended = cancel(rig, "/", reads, reason).await;
        ended.lost(Outcome::ClientAborted, &case);

        // This is the same primary behind a reverse proxy.
        let upstream = Server::start(app()).await;
        let target = tower_mirror::HttpTarget::new(&upstream.url()).unwrap();
        let rig = Rig::of(way, |_| primary(target), |builder| builder).await;
        let ended = cancel(rig, "/proxy", true, reason).await;
        drop(upstream); // a server that does not read does not notice that its client has disconnected
        ended.lost(Outcome::ClientAborted, &format!("proxy: {case}"));
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_primary_that_answers_each_message() {
    for _ in 0..10 {
        for way in WAYS {
            is_the_clients(way, "talking", talking, true).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_primary_that_listens_first() {
    for _ in 0..10 {
        for way in WAYS {
            is_the_clients(way, "listening", listening, true).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_primary_that_does_not_read() {
    for way in WAYS {
        is_the_clients(way, "deaf", deaf, false).await;
    }
}
