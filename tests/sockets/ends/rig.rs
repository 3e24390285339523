//! A primary behind the mirror, a recording shadow and a recording server behind the primary's
//! reverse proxy.

use axum::{Router, extract::Request};
use bytes::Bytes;
use http::{HeaderMap, Method, Version, request::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower_mirror::{
    BodyMode, HttpTarget, MirrorBuilder, MirrorHandle, MirrorLayer, Outcome, RequestBodyBufferLayer,
};

use super::primary::{Event, Tap, primary};
use tower_mirror_testing::server::{Clock, Server, within};

/// A request that a server received.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) is_whole: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        let trailers = self.trailers.as_ref()?;
        trailers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Sends the recorded request when it is dropped, which also happens when the connection breaks.
struct Recording {
    received: Option<Received>,
    sender: UnboundedSender<Received>,
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(received) = self.received.take() {
            let _ = self.sender.send(received);
        }
    }
}

/// A server that reads each request, answers it, and records whether it was complete.
pub(crate) async fn recording() -> (Server, UnboundedReceiver<Received>) {
    let (sender, received) = unbounded_channel();
    let server = Server::start(Router::new().fallback(async move |request: Request| {
        record(request, sender.clone()).await;
    }));
    (server.await, received)
}

/// The same server, but it answers before it reads. The body of the response ends with that of the
/// request.
pub(crate) async fn answering_first() -> (Server, UnboundedReceiver<Received>) {
    let (sender, received) = unbounded_channel();
    let server = Server::start(Router::new().fallback(async move |request: Request| {
        let reading = tokio::spawn(record(request, sender.clone()));
        let end = futures_util::stream::once(async move {
            let _ = reading.await;
            Ok::<_, std::convert::Infallible>(Bytes::new())
        });
        axum::body::Body::from_stream(end)
    }));
    (server.await, received)
}

async fn record(request: Request, sender: UnboundedSender<Received>) {
    let (head, mut body) = request.into_parts();
    let Parts {
        method,
        version,
        headers,
        ..
    } = head;
    let received = Some(Received {
        method,
        version,
        headers,
        bytes: Vec::new(),
        trailers: None,
        is_whole: false,
    });
    let mut recording = Recording { received, sender };
    let Some(received) = &mut recording.received else {
        return;
    };
    loop {
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => received.bytes.extend_from_slice(&data),
                Err(frame) => received.trailers = frame.into_trailers().ok(),
            },
            Some(Err(_)) => return,
            // hyper reports a reset of a stream with `NO_ERROR` as an end.
            None => {
                received.is_whole = version < Version::HTTP_2 || body.is_end_stream();
                return;
            }
        }
    }
}

/// One way to copy bodies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Way {
    pub(crate) mode: BodyMode,
    /// The shadow's protocol.
    pub(crate) is_http2: bool,
    /// The whole body is read before the mirror sees the request.
    pub(crate) is_buffered: bool,
}

/// Returns each mode over each protocol.
pub(crate) const WAYS: [Way; 4] = [
    way(BodyMode::Buffered, false),
    way(BodyMode::Buffered, true),
    way(BodyMode::Streaming, false),
    way(BodyMode::Streaming, true),
];

pub(crate) const fn way(mode: BodyMode, is_http2: bool) -> Way {
    Way {
        mode,
        is_http2,
        is_buffered: false,
    }
}

pub(crate) struct Rig {
    pub(crate) primary: Server,
    shadow: Server,
    upstream: Server,
    copies: UnboundedReceiver<Received>,
    forwarded: UnboundedReceiver<Received>,
    events: UnboundedReceiver<Event>,
    pub(crate) handle: MirrorHandle,
    _clock: Clock,
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The outcome of each request that the mirror saw.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) copies: Vec<Received>,
    /// The requests that arrived behind the primary's reverse proxy.
    pub(crate) forwarded: Vec<Received>,
    /// The events of the primary that the test has not waited for.
    pub(crate) events: Vec<Event>,
}

impl Rig {
    pub(crate) async fn new(way: Way) -> Self {
        Self::of(way, primary, |builder| builder).await
    }

    pub(crate) async fn with(way: Way, app: Router) -> Self {
        Self::of(way, |_| app, |builder| builder).await
    }

    pub(crate) async fn of(
        way: Way,
        app: impl FnOnce(HttpTarget) -> Router,
        configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder,
    ) -> Self {
        let _clock = Clock::held();
        let (shadow, copies) = recording().await;
        let target = HttpTarget::builder(shadow.url());
        let target = if way.is_http2 { target.http2() } else { target };
        let target = target.build().unwrap();
        let layer = configure(MirrorLayer::builder(target).body_mode(way.mode)).build();
        let (upstream, forwarded) = recording().await;
        let app = app(HttpTarget::new(&upstream.url()).unwrap());
        let handle = layer.handle();
        let app = match way.is_buffered {
            false => app.layer(layer),
            true => app.layer(layer).layer(RequestBodyBufferLayer::new()),
        };
        let (primary, events) = tapped(app).await;
        Self {
            primary,
            shadow,
            upstream,
            copies,
            forwarded,
            events,
            handle,
            _clock,
        }
    }

    /// Waits for the next copy that the shadow has read.
    pub(crate) async fn copy(&mut self) -> Received {
        within(self.copies.recv()).await.unwrap()
    }

    /// Waits until this number of bytes has been read from the client's connection.
    pub(crate) async fn read(&mut self, bytes: usize) {
        let mut left = bytes;
        while left > 0 {
            match within(self.events.recv()).await {
                Some(Event::Read(read)) => left = left.saturating_sub(read),
                other => panic!("{other:?}, and {left} bytes are left"),
            }
        }
    }

    /// Waits until the primary's server has dropped the body.
    pub(crate) async fn body_dropped(&mut self) {
        while within(self.events.recv()).await != Some(Event::Dropped) {}
    }

    /// Waits until each copy and each connection has ended. The client's connection must already be
    /// closed.
    pub(crate) async fn end(self) -> Ended {
        within(self.handle.wait_idle()).await;
        self.primary.stop().await;
        self.upstream.stop().await;
        let stats = self.handle.stats();
        drop(self.handle); // this also closes the connections to the shadow
        self.shadow.stop().await;
        assert_eq!(
            stats.in_flight() + stats.buffered_bytes() as u64,
            0,
            "{stats}"
        );
        let outcomes = stats.outcomes().flat_map(|(outcome, count)| {
            let count = usize::try_from(count).unwrap();
            std::iter::repeat_n(outcome, count)
        });
        Ended {
            outcomes: outcomes.collect(),
            copies: all(self.copies),
            forwarded: all(self.forwarded),
            events: all(self.events),
        }
    }
}

/// Creates a rig for primaries that forward nothing.
pub(crate) fn upstream_of_none() -> HttpTarget {
    HttpTarget::new("http://127.0.0.1:1").unwrap()
}

/// Serves `app`, and reports the events of the bodies of its requests.
pub(crate) async fn tapped(app: Router) -> (Server, UnboundedReceiver<Event>) {
    let (sender, events) = unbounded_channel();
    let app = app.layer(axum::middleware::map_request(move |request: Request| {
        let tapped = Tap::around(request, sender.clone());
        async move { tapped }
    }));
    (Server::start(app).await, events)
}

pub(crate) fn all<T>(mut received: UnboundedReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| received.try_recv().ok()).collect()
}

impl Ended {
    /// Returns the only copy. There must be no other outcome.
    #[track_caller]
    pub(crate) fn completed(mut self, case: &str) -> Received {
        assert_eq!(
            self.outcomes,
            [Outcome::Completed],
            "{case}: {:?}",
            self.copies
        );
        assert_eq!(self.copies.len(), 1, "{case}: {:?}", self.copies);
        let copy = self.copies.remove(0);
        assert!(copy.is_whole, "{case}: {copy:?}");
        copy
    }

    /// Asserts that there was one request with this outcome, and that no server has received a
    /// request that looks complete.
    #[track_caller]
    pub(crate) fn lost(self, outcome: Outcome, case: &str) {
        assert_eq!(self.outcomes, [outcome], "{case}: {:?}", self.copies);
        let whole = self.copies.iter().find(|copy| copy.is_whole);
        assert!(whole.is_none(), "{case}: {whole:?}");
    }
}
