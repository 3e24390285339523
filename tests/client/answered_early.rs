//! Servers over HTTP/2 that answer before they have the upload, and then want no more of it, or go away: a response that
//! has arrived counts, whenever it is read.

use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver},
};
use tower::{Service, ServiceExt};
use tower_mirror::{
    HttpTarget,
    client::{Error, ResponseBody},
};
use tower_mirror_testing::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NOTHING, Peer, RST_STREAM, STATUS_200, frame,
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

type Upload = UnsyncBoxBody<Bytes, Infallible>;

/// An upload of so many bytes in one piece. `None`: of a short piece, after which it goes on.
fn upload(size: Option<usize>) -> Request<Upload> {
    let body = match size {
        Some(size) => Full::new(Bytes::from(vec![b'x'; size])).boxed_unsync(),
        None => {
            let piece = stream::iter([Ok(http_body::Frame::data(Bytes::from("x")))]);
            StreamBody::new(piece.chain(stream::pending())).boxed_unsync()
        }
    };
    Request::post("/").body(body).unwrap()
}

/// Each request has a connection of its own, so that none meets one that is closing.
async fn post(address: SocketAddr, size: Option<usize>) -> Result<Response<ResponseBody>, Error> {
    let target = HttpTarget::builder(format!("http://{address}")).http2();
    let answer = within(target.build().unwrap().oneshot(upload(size))).await?;
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
        // A short upload ends before its response is read, the others never.
        for size in [Some(10), Some(1 << 20), None] {
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
        let mut body = post(address, None).await.unwrap().into_body();
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

async fn ready(target: &mut HttpTarget) {
    let ready = std::future::poll_fn(|cx| Service::<Request<Upload>>::poll_ready(target, cx));
    within(ready).await.unwrap();
}

#[tokio::test]
async fn a_response_that_is_not_read_keeps_its_connection_for_a_limited_time() {
    let (address, mut closes) = server(Then::Closes).await;
    let target = HttpTarget::builder(format!("http://{address}"))
        .http2()
        .write_timeout(Duration::from_millis(50))
        // Only the limit ends it.
        .ping_interval(HANG * 2)
        .build()
        .unwrap();
    let unread = within(target.clone().oneshot(upload(None))).await;
    within(closes.recv()).await.unwrap();
    within(async {
        while target.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(unread.unwrap());
}

/// The upload of another request keeps the connection, and a request that was promised it is sent elsewhere at once.
#[tokio::test]
async fn a_request_that_meets_a_connection_which_has_ended_is_sent_on_another() {
    let (address, mut closes) = server(Then::Closes).await;
    let target = HttpTarget::builder(format!("http://{address}"));
    let target = target.http2().write_timeout(HANG).build().unwrap();
    let (mut first, mut late) = (target.clone(), target.clone());
    ready(&mut first).await;
    ready(&mut late).await;
    let unread = within(first.call(upload(None))).await.unwrap();
    assert_eq!(target.connections(), 1);
    within(closes.recv()).await.unwrap();
    // Readiness does not name the connection any more as soon as its end was seen.
    within(async {
        while target.connections() == 1 {
            ready(&mut target.clone()).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    let answer = within(late.call(upload(Some(10)))).await.unwrap();
    let body = within(answer.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "whole");
    let body = within(unread.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "whole");
}
