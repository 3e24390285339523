//! Row 2: requests that an HTTP/2 server declares unprocessed are answered on another connection.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use http::{Method, Request, Version};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::mpsc};

use tower_mirror_testing::frames::{
    HEADERS, MAX_STREAMS, NOTHING, Peer, RST_STREAM, SETTINGS, frame, settings,
};

use crate::{
    clients::{Body, both, empty, get, legacy, ours, post, request},
    compare, is_pending,
    servers::{accepting, answers_all, goaway, listen, whole, whole_request},
    within,
};

/// The flag of a SETTINGS frame that acknowledges one.
const ACK: u8 = 1;

type Make = fn(SocketAddr) -> Request<Body>;

const KINDS: [(&str, Make); 3] = [
    ("GET", |address| get(address, "/")),
    ("POST", |address| post(address, "hello")),
    ("POST without a body", |address| {
        request(Method::POST, address, "/", empty())
    }),
];

/// The second request is above the last stream that the server processes.
fn goes_away_after_the_first(listener: TcpListener) -> Arc<AtomicUsize> {
    accepting(listener, |number, stream| async move {
        let mut peer = Peer::greet(stream, &[]).await?;
        if number > 0 {
            return answers_all(peer).await;
        }
        let (first, _) = peer.request().await?;
        let (second, _) = peer.request().await?;
        assert!(second > first);
        peer.write(&[goaway(first), whole(first)].concat()).await?;
        peer.read_on().await
    })
}

#[tokio::test]
async fn a_request_above_the_last_stream_of_a_goaway_goes_to_another_connection() {
    for (name, make) in KINDS {
        let mut lost = [2; 2];
        for (side, lost) in lost.iter_mut().enumerate() {
            let (listener, address) = listen().await;
            let accepted = goes_away_after_the_first(listener);
            let client = &both(address, Version::HTTP_2)[side];
            let answered = join_all([
                client.is_answered(make(address)),
                client.is_answered(make(address)),
            ]);
            *lost -= answered.await.into_iter().filter(|it| *it).count();
            if side == 0 {
                assert_eq!(accepted.load(SeqCst), 2, "{name}");
            }
        }
        compare(&format!("{name} above GOAWAY, of 2"), lost);
        assert_eq!(lost[0], 0, "{name}");
    }
}

/// The first connections refuse every request.
fn refusing(listener: TcpListener, connections: usize) -> Arc<AtomicUsize> {
    const REFUSED_STREAM: [u8; 4] = 7_u32.to_be_bytes();
    accepting(listener, move |number, stream| async move {
        let mut peer = Peer::greet(stream, &[]).await?;
        if number >= connections {
            return answers_all(peer).await;
        }
        loop {
            let (stream, _) = peer.request().await?;
            peer.write(&frame(RST_STREAM, NOTHING, stream, &REFUSED_STREAM))
                .await?;
        }
    })
}

#[tokio::test]
async fn a_refused_stream_goes_to_another_connection() {
    for (name, make) in KINDS {
        let mut lost = [0; 2];
        for (side, lost) in lost.iter_mut().enumerate() {
            let (listener, address) = listen().await;
            let accepted = refusing(listener, 1);
            let client = &both(address, Version::HTTP_2)[side];
            *lost = usize::from(!client.is_answered(make(address)).await);
            if side == 0 {
                assert_eq!(accepted.load(SeqCst), 2, "{name}");
            }
        }
        compare(&format!("{name} refused once"), lost);
        assert_eq!(lost[0], 0, "{name}");
    }
}

/// A server that refuses everything may be overloaded, so the retries end.
#[tokio::test]
async fn a_refused_stream_is_not_sent_again_for_ever() {
    for (name, make) in KINDS {
        let (listener, address) = listen().await;
        let accepted = refusing(listener, usize::MAX);
        let [ours, _] = both(address, Version::HTTP_2);
        assert!(!ours.is_answered(make(address)).await, "{name}");
        assert_eq!(accepted.load(SeqCst), 3, "{name}");
    }
}

/// A body that cannot be replayed, and how often a part of it was read.
fn once(read: Arc<AtomicUsize>) -> Body {
    let frames = stream::once(async move {
        read.fetch_add(1, SeqCst);
        Ok::<_, io::Error>(Frame::data(Bytes::from("hello")))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The server admits one stream, which is taken, so the second request has not been sent when the server goes away.
async fn waits_for_a_stream(side: usize, make: impl FnOnce(SocketAddr) -> Request<Body>) -> bool {
    let (listener, address) = listen().await;
    let (leave, leaves) = mpsc::channel::<()>(1);
    let leaves = Arc::new(tokio::sync::Mutex::new(leaves));
    accepting(listener, move |number, stream| {
        let leaves = leaves.clone();
        async move {
            let mut peer = Peer::greet(stream, &[(MAX_STREAMS, 1)]).await?;
            if number > 0 {
                return answers_all(peer).await;
            }
            // With its response the client has the settings.
            let first = whole_request(&mut peer).await?;
            peer.write(&whole(first)).await?;
            let second = whole_request(&mut peer).await?;
            leaves.lock().await.recv().await;
            peer.write(&[goaway(second), whole(second)].concat())
                .await?;
            peer.read_on().await
        }
    });
    // With one connection allowed, the client does not dial another one for the third request.
    let client = match side {
        0 => ours(address, |it| {
            it.http2().max_connections(1).retry_idempotent(false)
        }),
        _ => legacy(|it| it.http2_only(true)),
    };
    assert!(client.is_answered(get(address, "/")).await);
    let mut held = pin!(client.is_answered(get(address, "/")));
    assert!(is_pending(held.as_mut()).await);
    let mut waiting = pin!(client.is_answered(make(address)));
    assert!(is_pending(waiting.as_mut()).await);
    leave.send(()).await.unwrap();
    assert!(within(held).await);
    within(waiting).await
}

#[tokio::test]
async fn a_request_that_waited_for_its_stream_goes_to_another_connection() {
    for (name, make) in KINDS {
        let mut lost = [0; 2];
        for (side, lost) in lost.iter_mut().enumerate() {
            *lost = usize::from(!waits_for_a_stream(side, make).await);
        }
        compare(&format!("{name} that waited for its stream"), lost);
        assert_eq!(lost[0], 0, "{name}");
    }
}

/// Its body cannot be made anew by the caller, who has given it away.
#[tokio::test]
async fn an_upload_that_waited_for_its_stream_goes_to_another_connection() {
    let mut lost = [0; 2];
    for (side, lost) in lost.iter_mut().enumerate() {
        let read = Arc::new(AtomicUsize::new(0));
        let body = once(read.clone());
        let make = |address| request(Method::POST, address, "/", body);
        *lost = usize::from(!waits_for_a_stream(side, make).await);
        assert!(read.load(SeqCst) <= 1);
    }
    compare("an upload that waited for its stream", lost);
    assert_eq!(lost[0], 0);
}

/// A server that admits ten streams. A client on a cold connection does not know that yet.
async fn admits_ten() -> SocketAddr {
    let (listener, address) = listen().await;
    let app = axum::Router::new().fallback(async |_: Bytes| "whole");
    accepting(listener, move |_, stream| {
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        async move {
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(10);
            let served = server.serve_connection(TokioIo::new(stream), service).await;
            served.map_err(io::Error::other)
        }
    });
    address
}

#[tokio::test]
async fn a_burst_on_a_cold_connection_is_served_whole() {
    for (name, make) in KINDS {
        let mut lost = [80; 2];
        for (side, lost) in lost.iter_mut().enumerate() {
            let address = admits_ten().await;
            let client = &both(address, Version::HTTP_2)[side];
            let answers = join_all((0..80).map(|_| client.is_answered(make(address))));
            *lost -= answers.await.into_iter().filter(|it| *it).count();
        }
        compare(&format!("a burst of 80 {name} against 10 streams"), lost);
        assert_eq!(lost[0], 0, "{name}");
    }
}

/// The requests of a burst share one connection until the server says how many it admits.
#[tokio::test]
async fn a_burst_dials_one_connection_where_one_is_enough() {
    let (listener, address) = listen().await;
    let app = axum::Router::new().fallback(async || "whole");
    let accepted = accepting(listener, move |_, stream| {
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        async move {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let served = server.serve_connection(TokioIo::new(stream), service).await;
            served.map_err(io::Error::other)
        }
    });
    let [ours, _] = both(address, Version::HTTP_2);
    let answers = join_all((0..80).map(|_| ours.is_answered(get(address, "/"))));
    assert!(answers.await.into_iter().all(|it| it));
    assert_eq!(accepted.load(SeqCst), 1);
}

/// A server that admits one request at a time gets a second connection for a second request, once it has answered.
#[tokio::test]
async fn a_limit_of_one_stream_is_noticed() {
    let (listener, address) = listen().await;
    let accepted = accepting(listener, |_, stream| async move {
        let mut peer = Peer::greet(stream, &[(MAX_STREAMS, 1)]).await?;
        let first = whole_request(&mut peer).await?;
        peer.write(&whole(first)).await?;
        // It holds the next one for ever.
        peer.read_on().await
    });
    let [ours, _] = both(address, Version::HTTP_2);
    assert!(ours.is_answered(get(address, "/")).await);
    let mut held = pin!(ours.is_answered(get(address, "/")));
    assert!(is_pending(held.as_mut()).await);
    let mut sent = pin!(ours.is_answered(get(address, "/")));
    assert!(within(sent.as_mut()).await);
    assert!(is_pending(held.as_mut()).await);
    assert_eq!(accepted.load(SeqCst), 2);
}

/// Some servers end the connection of a client that opens more streams than they admit.
#[tokio::test]
async fn one_request_is_sent_before_the_settings_of_the_server_are_known() {
    let mut early = [0; 2];
    for (side, early) in early.iter_mut().enumerate() {
        let (listener, address) = listen().await;
        let (seen, mut sees) = mpsc::channel(1);
        accepting(listener, move |_, mut stream| {
            let seen = seen.clone();
            async move {
                stream.read_exact(&mut [0; 24]).await?;
                let mut peer = Peer { stream };
                let (first, _) = peer.request().await?;
                peer.write(&settings(&[(MAX_STREAMS, 2)])).await?;
                // The client applies the settings when it acknowledges them.
                let mut streams = vec![first];
                loop {
                    match peer.next().await? {
                        (HEADERS, _, stream, _) => streams.push(stream),
                        (SETTINGS, ACK, ..) => break,
                        _ => {}
                    }
                }
                let _ = seen.send(streams.len()).await;
                for stream in streams {
                    peer.write(&whole(stream)).await?;
                }
                answers_all(peer).await
            }
        });
        let client = &both(address, Version::HTTP_2)[side];
        let answers = join_all((0..20).map(|_| client.is_answered(get(address, "/"))));
        assert!(answers.await.into_iter().all(|it| it));
        *early = within(sees.recv()).await.unwrap();
    }
    println!("requests before the settings: {early:?}");
    assert_eq!(early[0], 1);
    assert!(early[0] <= early[1]);
}
