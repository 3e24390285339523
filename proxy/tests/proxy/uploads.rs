//! Uploads that break off, with HTTP/2 frames written by hand.

use std::convert::Infallible;

use axum::{Router, body::Body, extract::Request};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{child::Proxy, upstream::Upstream};
use tower_mirror_testing::{
    by_hand::*,
    server::{Server, within},
};

/// A primary that answers before it reads, and says of each body whether it was whole.
async fn answering_first() -> (Server, UnboundedReceiver<bool>) {
    let (sender, wholes) = unbounded_channel();
    let app = Router::new().fallback(async move |request: Request| {
        let sender = sender.clone();
        let reading = tokio::spawn(async move {
            let is_whole = request.into_body().collect().await.is_ok();
            let _ = sender.send(is_whole);
        });
        Body::from_stream(stream::once(async move {
            let _ = reading.await;
            Ok::<_, Infallible>(Bytes::new())
        }))
    });
    (Server::start(app).await, wholes)
}

/// The same name as in the layer, each time: a call that its client cancels is its client's doing. And the primary does
/// not get a shorter body that looks whole.
#[tokio::test]
async fn a_call_that_its_client_cancels_is_its_clients_doing() {
    for mode in ["buffered", "streaming"] {
        for reason in [CANCEL, NO_ERROR] {
            let case = format!("{mode} {reason}");
            let (primary, mut wholes) = answering_first().await;
            let shadow = Upstream::echo().await;
            let (primary_url, shadow_url) = (primary.url(), shadow.url());
            let args = ["--primary", &primary_url, "--shadow", &shadow_url];
            let proxy = Proxy::start(&[&args[..], &["--body", mode]].concat()).await;
            for n in 1..=50 {
                let mut client = Client::connect(proxy.address).await;
                let head = head("POST", "/", &[("content-type", "application/grpc")]);
                client.write(&[head, data(b"\0\0\0\0\x05hello")]).await;
                assert_eq!(within(client.status()).await, Ok(200), "{case}");
                client.write(&[reset(reason)]).await;
                assert_eq!(within(wholes.recv()).await, Some(false), "{case}");
                within(client.closed()).await;
                let stats = proxy.settled().await;
                assert_eq!(stats.outcome("client_aborted"), n, "{case}: {stats:?}");
            }
            assert_eq!(shadow.unread(), 0, "{case}");
        }
    }
}
