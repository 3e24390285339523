//! Pooled connections that the server changes between two copies: no copy receives the response of
//! another request.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use http::Request;
use http_body_util::Empty;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::yield_now,
    time::timeout,
};
use tower::{Layer, ServiceExt};
use tower_mirror::{MirrorLayer, Outcome};

use crate::{
    cell::{DESCRIPTORS, nothing_is_left, runtime, target, tasks},
    front::{Digest, Server},
    shadow::{Shadow, pace, read_on},
};
use tower_mirror_testing::net::HANG;

const OWN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// A response without a request.
const FOREIGN: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

async fn request(stream: &mut TcpStream) -> io::Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await?);
    }
    Ok(())
}

/// Sends copies one after the other, each when `left` of the earlier connections remain. Returns
/// the status of each copy.
fn statuses<F>(
    copies: usize,
    left: impl Fn(usize) -> usize,
    script: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> (Vec<(Outcome, Option<u16>)>, usize)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let _together = DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let shadow = Shadow::start(move |_, stream| script(stream)).await;
        let before = tasks();
        let (tell, mut told) = mpsc::unbounded_channel();
        let connections = target(&shadow, false);
        let layer = MirrorLayer::builder(connections.clone())
            .observer(move |report| {
                let status = report.shadow.status.map(|status| status.as_u16());
                let _ = tell.send((report.outcome, status));
            })
            .build();
        let mut seen = Vec::new();
        for _ in 0..copies {
            let request = Request::get("/").body(Empty::new()).unwrap();
            let answer = layer.layer(Digest).oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            seen.push(timeout(HANG, told.recv()).await.unwrap().unwrap());
            let settled = async {
                while connections.connections() != left(seen.len()) {
                    yield_now().await;
                }
            };
            timeout(HANG, settled).await.unwrap();
        }
        let accepted = shadow.accepted();
        let server = Server::start(layer.layer(Digest)).await;
        let handle = layer.handle();
        drop((layer, connections));
        nothing_is_left(handle, server, &shadow, before)
            .await
            .unwrap();
        (seen, accepted)
    })
}

const FINE: (Outcome, Option<u16>) = (Outcome::Completed, Some(200));

#[test]
fn a_connection_that_answered_twice_is_not_used_again() {
    let (seen, accepted) = statuses(
        20,
        |_| 0,
        |mut stream| async move {
            loop {
                request(&mut stream).await?;
                stream.write_all(&[OWN, FOREIGN].concat()).await?;
            }
        },
    );
    assert_eq!((seen, accepted), (vec![FINE; 20], 20));
}

#[test]
fn an_answer_to_no_request_closes_an_idle_connection() {
    let (seen, accepted) = statuses(
        20,
        |_| 0,
        |mut stream| async move {
            loop {
                request(&mut stream).await?;
                stream.write_all(OWN).await?;
                pace(1).await;
                stream.write_all(FOREIGN).await?;
            }
        },
    );
    assert_eq!((seen, accepted), (vec![FINE; 20], 20));
}

#[test]
fn what_follows_an_answer_without_a_body_is_no_answer() {
    for head in [
        &b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n\0",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 500 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let (seen, accepted) = statuses(
            5,
            |_| 0,
            move |mut stream| async move {
                loop {
                    request(&mut stream).await?;
                    stream.write_all(head).await?;
                }
            },
        );
        let fine = |end: &(Outcome, Option<u16>)| {
            end.0 == Outcome::Completed && matches!(end.1, Some(200 | 204))
        };
        assert!(seen.iter().all(fine), "{seen:?}");
        assert_eq!(accepted, 5);
    }
}

#[test]
fn a_connection_that_switched_protocols_is_not_used_again() {
    const SWITCHES: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let (seen, accepted) = statuses(
        5,
        |_| 0,
        |mut stream| async move {
            loop {
                request(&mut stream).await?;
                stream.write_all(SWITCHES).await?;
            }
        },
    );
    assert_eq!(seen, [(Outcome::FailedTransport, None); 5]);
    assert_eq!(accepted, 5);
}

#[test]
fn a_connection_that_says_close_is_not_used_again() {
    for head in [
        &b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"[..],
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (seen, accepted) = statuses(
            5,
            |_| 0,
            move |mut stream| async move {
                request(&mut stream).await?;
                stream.write_all(head).await?;
                // The server does not close this connection.
                read_on(&mut stream).await
            },
        );
        assert_eq!((seen, accepted), (vec![FINE; 5], 5));
    }
}

/// The server closes every second connection while it is idle.
#[test]
fn an_idle_connection_that_closes_costs_no_copy() {
    let (seen, accepted) = statuses(
        20,
        |copies| copies % 2,
        |mut stream| async move {
            for _ in 0..2 {
                request(&mut stream).await?;
                stream.write_all(OWN).await?;
            }
            Ok(())
        },
    );
    assert_eq!((seen, accepted), (vec![FINE; 20], 10));
}

/// An ordinary end is not a reset.
#[test]
fn a_server_that_behaves_sees_no_reset() {
    static ENDS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (seen, accepted) = statuses(
        20,
        |_| 1,
        |mut stream| async move {
            let end = loop {
                match request(&mut stream).await {
                    Ok(()) => stream.write_all(OWN).await?,
                    Err(error) => break error,
                }
            };
            ENDS.lock().unwrap().push(end.kind().to_string());
            Ok(())
        },
    );
    assert_eq!((seen, accepted), (vec![FINE; 20], 1));
    assert_eq!(*ENDS.lock().unwrap(), ["unexpected end of file"]);
}
