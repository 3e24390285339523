//! Live copies over real sockets: the shadow's view of an upload that breaks off, and the resources
//! of a copy that is not read.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::Request as AxumRequest, routing::post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::yield_now,
    time::timeout,
};
use tower::{Layer, ServiceExt};
use tower_mirror::{BodyMode, HttpTarget, MirrorBuilder, MirrorLayer, Outcome};
use tower_mirror_testing::net::{HANG, listen, serve};

/// The part of one request that a server has received.
#[derive(Debug, PartialEq)]
struct Received {
    bytes: u64,
    trailers: Option<HeaderMap>,
    is_whole: bool,
}

/// A server that counts the bytes that it reads.
async fn counting() -> (SocketAddr, UnboundedReceiver<Received>) {
    let (sender, received) = unbounded_channel();
    let app = Router::new().fallback(async move |request: AxumRequest| {
        let mut body = request.into_body();
        let mut seen = Received {
            bytes: 0,
            trailers: None,
            is_whole: true,
        };
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => seen.bytes += data.len() as u64,
                Ok(Err(frame)) => seen.trailers = frame.into_trailers().ok(),
                Err(_) => {
                    seen.is_whole = false;
                    break;
                }
            }
        }
        let _ = sender.send(seen);
    });
    (serve(app).await, received)
}

fn mirror(shadow: SocketAddr, http2: bool) -> (MirrorBuilder, HttpTarget) {
    let target = HttpTarget::builder(format!("http://{shadow}"));
    let target = if http2 { target.http2() } else { target };
    let target = target
        .write_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let builder = MirrorLayer::builder(target.clone()).body_mode(BodyMode::Streaming);
    (builder, target)
}

type Fed = Result<Frame<Bytes>, std::io::Error>;

/// A body whose frames the test sends.
fn fed() -> (UnboundedSender<Fed>, axum::body::Body) {
    let (feed, frames) = unbounded_channel::<Fed>();
    let frames = futures_util::stream::unfold(frames, async |mut frames| {
        frames.recv().await.map(|frame| (frame, frames))
    });
    (feed, axum::body::Body::new(StreamBody::new(frames)))
}

fn data(bytes: Bytes) -> Fed {
    Ok(Frame::data(bytes))
}

/// Reads the whole body, one frame at a time, and reports each frame.
fn app(read: UnboundedSender<usize>) -> Router {
    Router::new().route(
        "/",
        post(async move |request: AxumRequest| {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return };
                let _ = read.send(frame.into_data().map_or(0, |data| data.len()));
            }
        }),
    )
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_an_aborted_request_over_both_protocols() {
    for (http2, length) in [
        (false, None),
        (false, Some("100")),
        (true, None),
        (true, Some("100")),
    ] {
        let case = format!("http2: {http2}, length: {length:?}");
        let (shadow, mut received) = counting().await;
        let (builder, _target) = mirror(shadow, http2);
        let layer = builder.build();
        let (read, mut reads) = unbounded_channel();
        let (feed, body) = fed();
        let mut request = Request::post("/").header("host", "catalog");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let service = layer.layer(app(read));
        let answer = tokio::spawn(service.oneshot(request.body(body).unwrap()));
        feed.send(data(Bytes::from_static(b"begun"))).unwrap();
        assert_eq!(
            timeout(HANG, reads.recv()).await.unwrap(),
            Some(5),
            "{case}"
        );
        feed.send(Err(std::io::Error::other("the client is gone")))
            .unwrap();
        answer.await.unwrap().unwrap();

        timeout(HANG, layer.handle().wait_idle()).await.unwrap();
        let stats = layer.handle().stats();
        assert_eq!(stats.outcome(Outcome::BodyError), 1, "{case}: {stats}");
        drop((layer, _target));
        // The copy may have been aborted before its head was sent. The shadow has seen no complete
        // request.
        if let Ok(seen) = timeout(Duration::from_secs(1), received.recv()).await {
            assert!(!seen.unwrap().is_whole, "{case}");
        }
    }
}

#[tokio::test]
async fn a_gibibyte_passes_through_the_window() {
    const FRAME: usize = 64 << 10;
    const FRAMES: usize = 16 << 10;
    /// The default window keeps at most its number of bytes, each of which is charged twice, and
    /// the head.
    const WINDOW: usize = (2 << 20) + (8 << 10);
    for http2 in [false, true] {
        let (shadow, mut received) = counting().await;
        let (builder, target) = mirror(shadow, http2);
        let layer = builder.build();
        let handle = layer.handle();
        let (read, mut reads) = unbounded_channel();
        let (feed, body) = fed();
        let request = Request::post("/")
            .header("host", "catalog")
            .body(body)
            .unwrap();
        let answer = tokio::spawn(layer.layer(app(read)).oneshot(request));
        let frame = Bytes::from(vec![b'x'; FRAME]);
        let mut most = 0;
        for sent in 0..FRAMES {
            feed.send(data(frame.clone())).unwrap();
            assert_eq!(reads.recv().await, Some(FRAME));
            most = most.max(handle.stats().buffered_bytes());
            // The client of the test is as fast as memory. A client over a network is slower.
            while handle.stats().buffered_bytes() > 1 << 20 && handle.stats().in_flight() == 1 {
                yield_now().await;
            }
            assert_eq!(
                handle.stats().in_flight(),
                1,
                "the copy was aborted after {sent} bytes: {}",
                handle.stats()
            );
        }
        drop(feed);
        answer.await.unwrap().unwrap();
        timeout(HANG, handle.wait_idle()).await.unwrap();
        let stats = handle.stats();
        assert_eq!(stats.outcome(Outcome::Completed), 1, "{stats}");
        let seen = received.recv().await.unwrap();
        assert_eq!((seen.bytes, seen.is_whole), ((FRAME * FRAMES) as u64, true));
        assert!(
            most <= WINDOW,
            "{most} bytes were charged, of {}",
            FRAME * FRAMES
        );
        assert_eq!(target.connections(), 1);
    }
}

/// These are Envoy's cases 21 and 22 with the opposite result, in streaming mode.
#[tokio::test]
async fn a_shadow_with_a_full_window_costs_the_window_and_is_gone() {
    let (listener, shadow) = listen().await;
    let (gone, mut closed) = unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // This is never read. It fails when the peer has closed the connection.
        while !stream
            .ready(tokio::io::Interest::ERROR)
            .await
            .unwrap()
            .is_error()
        {}
        let _ = gone.send(());
    });
    let (builder, target) = mirror(shadow, false);
    let layer = builder.lag_window(1 << 20, 256).build();
    let handle = layer.handle();
    let before = Handle::current().metrics().num_alive_tasks();
    let (read, mut reads) = unbounded_channel();
    let (feed, body) = fed();
    let request = Request::post("/")
        .header("host", "catalog")
        .body(body)
        .unwrap();
    let answer = tokio::spawn(layer.layer(app(read)).oneshot(request));
    let frame = Bytes::from(vec![b'x'; 64 << 10]);
    for _ in 0..1024 {
        feed.send(data(frame.clone())).unwrap();
        assert_eq!(timeout(HANG, reads.recv()).await.unwrap(), Some(64 << 10));
        assert!(handle.stats().buffered_bytes() <= (2 << 20) + (8 << 10));
        yield_now().await;
    }
    drop(feed);
    answer.await.unwrap().unwrap();
    timeout(HANG, handle.wait_idle()).await.unwrap();
    let stats = handle.stats();
    assert_eq!(stats.outcome(Outcome::Lagged), 1, "{stats}");
    assert_eq!(stats.buffered_bytes(), 0);
    timeout(HANG, closed.recv()).await.unwrap();
    let nothing_is_left = async {
        while target.connections() > 0 || Handle::current().metrics().num_alive_tasks() >= before {
            yield_now().await;
        }
    };
    timeout(HANG, nothing_is_left).await.unwrap();
}

#[tokio::test]
async fn trailers_that_the_head_did_not_name_break_a_copy_over_http1_off() {
    let mut sum = HeaderMap::new();
    sum.insert("x-sum", HeaderValue::from_static("1"));
    let whole = |trailers| Received {
        bytes: 5,
        trailers,
        is_whole: true,
    };
    for (http2, named, is_lost) in [
        (false, false, true),
        (false, true, false),
        (true, false, false),
    ] {
        let (shadow, mut received) = counting().await;
        let (builder, _target) = mirror(shadow, http2);
        let layer = builder.build();
        let frames = [
            data(Bytes::from_static(b"hello")),
            Ok(Frame::trailers(sum.clone())),
        ];
        let body = axum::body::Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let mut request = Request::post("/").header("host", "catalog");
        if named {
            request = request.header("trailer", "x-sum");
        }
        let (read, _reads) = unbounded_channel();
        let service = layer.layer(app(read));
        service.oneshot(request.body(body).unwrap()).await.unwrap();
        timeout(HANG, layer.handle().wait_idle()).await.unwrap();
        let stats = layer.handle().stats();
        let completed = u64::from(!is_lost);
        assert_eq!(
            stats.outcome(Outcome::Completed),
            completed,
            "{http2} {named}: {stats}"
        );
        if is_lost {
            // The copy may have been aborted before its head was sent.
            assert!(!received.try_recv().is_ok_and(|seen| seen.is_whole));
        } else {
            let seen = timeout(HANG, received.recv()).await.unwrap().unwrap();
            assert_eq!(seen, whole(Some(sum.clone())), "{http2} {named}");
        }
    }
}
