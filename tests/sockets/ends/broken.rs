//! Bodies that break off, or whose length differs from the declared length: no copy is complete, no
//! server behind the mirror receives a request that looks complete, and the outcome names the
//! client.

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc::unbounded_channel;
use tower::{ServiceBuilder, ServiceExt};
use tower_mirror::{
    BodyMode, BoxError, BufferedBody, HttpTarget, MirrorLayer, Outcome, RequestBodyBufferLayer,
};

use super::{
    primary::{Event, Tap, primary},
    rig::{Rig, WAYS, Way, answering_first, recording},
};
use tower_mirror_testing::{
    by_hand::*,
    server::{Clock, Server, within},
};

/// The way in which an upload of ten bytes breaks off.
const BREAKS: [Break; 6] = [
    Break::new(Some("20"), End::Reset(NO_ERROR)),
    Break::new(None, End::Reset(NO_ERROR)),
    Break::new(Some("20"), End::Reset(CANCEL)),
    Break::new(None, End::Reset(CANCEL)),
    Break::new(Some("20"), End::TooShort),
    Break::new(Some("20"), End::TooLong),
];

#[derive(Clone, Copy, Debug)]
struct Break {
    declared: Option<&'static str>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Reset(u32),
    /// The end looks as if the body were complete.
    TooShort,
    TooLong,
}

impl Break {
    const fn new(declared: Option<&'static str>, end: End) -> Self {
        Self { declared, end }
    }

    fn begin(self, path: &str) -> [Vec<u8>; 2] {
        let length = self.declared.map(|length| ("content-length", length));
        [head("POST", path, length.as_slice()), data(&[b'x'; 10])]
    }

    fn end(self) -> Vec<u8> {
        match self.end {
            End::Reset(reason) => reset(reason),
            End::TooShort => end(),
            End::TooLong => last(&[b'x'; 20]),
        }
    }
}

/// The upload breaks off after the earlier bytes have been read.
#[tokio::test(start_paused = true)]
async fn a_broken_upload_is_never_a_complete_copy() {
    for way in WAYS {
        for broken in BREAKS {
            for path in ["/collect", "/exact/11", "/proxy"] {
                let case = format!("{path} {way:?} {broken:?}");
                let mut rig = Rig::new(way).await;
                let mut client = Client::connect(rig.primary.address).await;
                client.write(&broken.begin(path)).await;
                rig.read(10).await;
                client.write(&[broken.end()]).await;
                within(rig.handle.wait_idle()).await;
                within(client.closed()).await;

                let ended = rig.end().await;
                let whole = ended.forwarded.iter().find(|it| it.is_whole);
                assert!(whole.is_none(), "{case}: behind the proxy: {whole:?}");
                ended.lost(Outcome::ClientAborted, &case);
            }
        }
    }
}

/// Everything is in one packet, so the server may drop the request before the mirror sees it.
#[tokio::test(start_paused = true)]
async fn an_upload_that_breaks_off_at_once_is_never_a_complete_copy() {
    for way in WAYS {
        for is_buffered in [false, true] {
            for broken in BREAKS {
                let way = Way { is_buffered, ..way };
                let case = format!("{way:?} {broken:?}");
                let rig = Rig::new(way).await;
                let mut client = Client::connect(rig.primary.address).await;
                let [head, data] = broken.begin("/collect");
                client.write(&[head, data, broken.end()]).await;
                within(client.closed()).await;

                let ended = rig.end().await;
                let by_client = |outcome: &Outcome| *outcome == Outcome::ClientAborted;
                assert!(ended.outcomes.iter().all(by_client), "{case}: {ended:?}");
                let is_whole = ended.copies.iter().any(|copy| copy.is_whole);
                assert!(!is_whole, "{case}: {ended:?}");
            }
        }
    }
}

/// The service behind a `RequestBodyBufferLayer` receives an incomplete body.
#[tokio::test(start_paused = true)]
async fn a_broken_upload_is_never_a_complete_buffered_body() {
    for broken in BREAKS {
        let _clock = Clock::held();
        let (sender, mut given) = unbounded_channel();
        let (reads, mut read) = unbounded_channel();
        let service = ServiceBuilder::new()
            .map_request(move |request: http::Request<Incoming>| {
                Tap::around(request.map(Body::new), reads.clone())
            })
            .layer(RequestBodyBufferLayer::new())
            .service_fn(move |request: http::Request<BufferedBody<Body>>| {
                let sender = sender.clone();
                async move {
                    let body = request.into_body();
                    let is_clonable = body.try_clone().is_some();
                    let _ = sender.send((body.is_complete(), is_clonable));
                    Ok::<_, BoxError>(http::Response::new(Body::empty()))
                }
            });
        let server = Server::start(service).await;
        let mut client = Client::connect(server.address).await;
        client.write(&broken.begin("/")).await;
        assert_eq!(within(read.recv()).await, Some(Event::Read(10)));
        client.write(&[broken.end()]).await;
        within(client.closed()).await;
        server.stop().await;
        assert_eq!(given.try_recv().ok(), Some((false, false)), "{broken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_buffered_upload_that_breaks_off_is_the_clients_doing() {
    for way in WAYS {
        for broken in BREAKS {
            let way = Way {
                is_buffered: true,
                ..way
            };
            let case = format!("{way:?} {broken:?}");
            let mut rig = Rig::new(way).await;
            let mut client = Client::connect(rig.primary.address).await;
            client.write(&broken.begin("/collect")).await;
            rig.read(10).await;
            client.write(&[broken.end()]).await;
            within(client.closed()).await;
            rig.end().await.lost(Outcome::ClientAborted, &case);
        }
    }
}

/// A primary that answers before it has read the body. Its server may notice the reset in different
/// ways; in each, the HTTP/1.1 server behind it must not receive a shorter body that looks
/// complete.
#[tokio::test(start_paused = true)]
async fn a_proxy_passes_on_the_break_of_an_upload_that_was_answered_already() {
    for way in WAYS {
        for broken in BREAKS {
            let case = format!("{way:?} {broken:?}");
            let (upstream, mut forwarded) = answering_first().await;
            let target = HttpTarget::new(&upstream.url()).unwrap();
            let app = |_| primary(target);
            let mut rig = Rig::of(way, app, |builder| builder).await;
            let mut client = Client::connect(rig.primary.address).await;
            client.write(&broken.begin("/proxy")).await;
            rig.read(10).await;
            assert_eq!(within(client.status()).await, Ok(200), "{case}");
            client.write(&[broken.end()]).await;
            within(rig.handle.wait_idle()).await;
            within(client.closed()).await;

            rig.end().await.lost(Outcome::ClientAborted, &case);
            upstream.stop().await;
            let forwarded = forwarded.recv().await.unwrap();
            assert_eq!(forwarded.bytes, [b'x'; 10], "{case}");
            // With axum's boxed body, this reset cannot be distinguished from an end. The proxy has
            // hyper's body and can distinguish them.
            let is_hidden = broken.declared.is_none() && broken.end == End::Reset(0);
            assert!(is_hidden || !forwarded.is_whole, "{case}");
        }
    }
}

/// A caller inside a process can declare a length that its body does not have.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_longer_than_declared_is_never_a_complete_copy() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        for is_buffered in [false, true] {
            let case = format!("{mode:?}, buffered: {is_buffered}");
            let _clock = Clock::held();
            let (shadow, mut copies) = recording().await;
            let target = HttpTarget::new(&shadow.url()).unwrap();
            let layer = MirrorLayer::builder(target).body_mode(mode).build();
            let handle = layer.handle();
            let app = axum::Router::new().fallback(async |request: Request| {
                let read = request.into_body().collect().await.unwrap();
                read.to_bytes()
            });
            let app = match is_buffered {
                false => app.layer(layer),
                true => app.layer(layer).layer(RequestBodyBufferLayer::new()),
            };
            let chunks = ["hello", " world"].map(|text| Ok::<_, BoxError>(Bytes::from(text)));
            let body = Body::from_stream(stream::iter(chunks));
            let request = Request::post("/").header("content-length", "5").body(body);
            let answer = within(app.oneshot(request.unwrap())).await.unwrap();
            // The primary reads the same bytes as without the layer.
            let echo = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(echo, "hello world", "{case}");

            within(handle.wait_idle()).await;
            let stats = handle.stats();
            assert_eq!(stats.outcome(Outcome::BodyError), 1, "{case}: {stats}");
            drop(handle);
            shadow.stop().await;
            let copy = copies.try_recv().ok();
            assert!(copy.is_none_or(|copy| !copy.is_whole), "{case}");
        }
    }
}
