//! Servers over HTTP/2 that answer before they have the upload, and then want no more of it, or go away: a response that
//! has arrived counts, whenever it is read.

#[path = "faults/frames.rs"]
#[allow(dead_code)]
mod frames;

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NOTHING, Peer, RST_STREAM, STATUS_200, frame,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver},
};
use tower::ServiceExt;
use tower_mirror::{
    HttpTarget,
    client::{Error, ResponseBody},
};

/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(60);

async fn within<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(HANG, waiting).await.expect("it hangs")
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Resets(u32),
    GoesAway(u32),
    ResetsAndCloses(u32),
    Closes,
}

fn answer(stream: u32, then: Then) -> Vec<u8> {
    let end = match then {
        Then::Resets(code) | Then::ResetsAndCloses(code) => {
            frame(RST_STREAM, NOTHING, stream, &code.to_be_bytes())
        }
        Then::GoesAway(code) => {
            let last = [stream.to_be_bytes(), code.to_be_bytes()].concat();
            frame(GOAWAY, NOTHING, 0, &last)
        }
        Then::Closes => Vec::new(),
    };
    [
        frame(HEADERS, END_HEADERS, stream, STATUS_200),
        frame(DATA, NOTHING, stream, b"wh"),
        frame(DATA, END_STREAM, stream, b"ole"),
        end,
    ]
    .concat()
}

/// Answers as soon as it has a head. The receiver hears of each connection that it has closed on its side.
async fn server(then: Then) -> (SocketAddr, UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (closed, closes) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let closed = closed.clone();
            tokio::spawn(async move {
                let mut peer = Peer::greet(stream, &[]).await?;
                loop {
                    let (stream, _) = peer.request().await?;
                    peer.write(&answer(stream, then)).await?;
                    if !matches!(then, Then::Resets(_)) {
                        peer.stream.shutdown().await?;
                        let _ = closed.send(());
                        return peer.read_on().await;
                    }
                }
            });
        }
    });
    (address, closes)
}

/// Each request has a connection of its own, so that none meets one that is closing.
async fn post(address: SocketAddr, size: usize) -> Result<Response<ResponseBody>, Error> {
    let target = HttpTarget::new(&format!("http://{address}")).unwrap();
    let request = Request::post("/").body(Full::new(Bytes::from(vec![b'x'; size])));
    let answer = within(target.http2().oneshot(request.unwrap())).await?;
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(answer)
}

/// Five codes: `NO_ERROR`, `INTERNAL_ERROR`, `STREAM_CLOSED`, `CANCEL` and `ENHANCE_YOUR_CALM`.
fn ends() -> impl Iterator<Item = Then> {
    let by = |code| {
        [
            Then::Resets(code),
            Then::GoesAway(code),
            Then::ResetsAndCloses(code),
        ]
    };
    [0, 2, 5, 8, 11]
        .into_iter()
        .flat_map(by)
        .chain([Then::Closes])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_ahead_of_its_upload_counts() {
    const ROUNDS: usize = 30;
    let mut lost = Vec::new();
    for then in ends() {
        let (address, _closes) = server(then).await;
        // A short upload ends before its response is read, a long one never.
        for size in [10, 1 << 20] {
            for _ in 0..ROUNDS {
                let whole = async { post(address, size).await?.into_body().collect().await };
                match within(whole).await {
                    Ok(body) => assert_eq!(body.to_bytes(), "whole"),
                    Err(error) => lost.push((then, size, error)),
                }
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

#[tokio::test]
async fn a_response_that_is_read_late_is_whole() {
    for then in ends().filter(|then| !matches!(then, Then::Resets(_))) {
        let (address, mut closes) = server(then).await;
        let mut body = post(address, 1 << 20).await.unwrap().into_body();
        within(closes.recv()).await.unwrap();
        let first = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "wh");
        // The end of the connection has its time to come through.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let rest = within(body.collect()).await.unwrap();
        assert_eq!(rest.to_bytes(), "ole", "{then:?}");
    }
}
