//! Row 4: an HTTP/2 peer that answered once and then is unresponsive.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join;
use tokio::{net::TcpListener, sync::mpsc};

use tower_mirror_testing::frames::Peer;

use crate::{
    clients::{Client, get, legacy, ours},
    compare, is_pending,
    servers::{accepting, answers_all, listen, whole},
    within,
};

/// The first connection answers one request. From then on it reports requests, and sends nothing, not even to a ping.
fn silent_after_one(
    listener: TcpListener,
) -> (Arc<AtomicUsize>, mpsc::UnboundedReceiver<(u32, bool)>) {
    let (asked, asks) = mpsc::unbounded_channel();
    let accepted = accepting(listener, move |number, stream| {
        let asked = asked.clone();
        async move {
            let mut peer = Peer::greet(stream, &[]).await?;
            if number > 0 {
                return answers_all(peer).await;
            }
            let (first, _) = peer.request().await?;
            peer.write(&whole(first)).await?;
            loop {
                let _ = asked.send(peer.request().await?);
            }
        }
    });
    (accepted, asks)
}

/// Whether the request that met the silence ends, and whether the next one is answered.
async fn after_pings(client: &Client, address: SocketAddr) -> usize {
    assert!(client.is_answered(get(address, "/")).await);
    assert!(!client.is_answered(get(address, "/")).await);
    usize::from(!client.is_answered(get(address, "/")).await)
}

/// Pings end the connection in both clients. Legacy sends none by default.
#[tokio::test]
async fn a_peer_that_does_not_answer_pings_loses_its_connection() {
    let often = Duration::from_millis(50);
    let (listener, address) = listen().await;
    let (accepted, _asks) = silent_after_one(listener);
    let (other_listener, other) = listen().await;
    let (by_legacy, _other_asks) = silent_after_one(other_listener);
    let ours = ours(address, |it| it.http2().ping_interval(often));
    let legacy = legacy(|it| {
        it.http2_only(true)
            .http2_keep_alive_interval(often)
            .http2_keep_alive_timeout(Duration::from_secs(3))
    });
    let lost = join(after_pings(&ours, address), after_pings(&legacy, other)).await;
    compare("after the peer fell silent, with pings", lost.into());
    assert_eq!(lost.0, 0);
    assert_eq!(accepted.load(SeqCst), 2);
    assert_eq!(by_legacy.load(SeqCst), 2);
}

/// The caller abandons each request, as one with a time limit does. Legacy sends the next one on the same connection.
#[tokio::test]
async fn a_peer_that_answers_no_request_loses_its_connection() {
    let (listener, address) = listen().await;
    let (accepted, mut asks) = silent_after_one(listener);
    let client = ours(address, |it| it.http2());
    assert!(client.is_answered(get(address, "/")).await);
    for _ in 0..3 {
        let mut unanswered = pin!(client.head(get(address, "/")));
        assert!(is_pending(unanswered.as_mut()).await);
        within(asks.recv()).await.unwrap();
    }
    assert!(client.is_answered(get(address, "/")).await);
    assert_eq!(accepted.load(SeqCst), 2);
}
