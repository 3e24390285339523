//! A primary behind the mirror, a recording shadow and a recording server behind the primary's reverse proxy.

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

/// Sends what it has once it is dropped, as it is when the connection breaks.
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

/// A server that answers each request once it has read it, and notes whether it was whole.
pub(crate) async fn recording() -> (Server, UnboundedReceiver<Received>) {
    let (sender, received) = unbounded_channel();
    let server = Server::start(Router::new().fallback(async move |request: Request| {
        record(request, sender.clone()).await;
    }));
    (server.await, received)
}

/// The same, but it answers before it reads, with a body that ends with the request's.
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
            // hyper reports the reset of a stream with `NO_ERROR` as an end.
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
    /// The body is read whole before the mirror sees the request.
    pub(crate) is_buffered: bool,
}

/// Each mode over each protocol.
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

/// What is left of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Of each request that the mirror saw.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) copies: Vec<Received>,
    /// What arrived behind the primary's reverse proxy.
    pub(crate) forwarded: Vec<Received>,
    /// What was read of the client's connection, as far as it was not waited for.
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

    /// The next copy, once the shadow has read it.
    pub(crate) async fn copy(&mut self) -> Received {
        within(self.copies.recv()).await.unwrap()
    }

    /// Waits until so many bytes have been read from the client's connection.
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

    /// Waits until each copy has ended, and each connection. The client's must be closed already.
    pub(crate) async fn end(self) -> Ended {
        within(self.handle.wait_idle()).await;
        self.primary.stop().await;
        self.upstream.stop().await;
        let stats = self.handle.stats();
        drop(self.handle); // and with it the connections to the shadow
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

/// For primaries that forward nothing.
pub(crate) fn upstream_of_none() -> HttpTarget {
    HttpTarget::new("http://127.0.0.1:1").unwrap()
}

/// Serves `app`, and says what is read of the bodies of its requests.
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
    /// The one copy, which must be the only outcome.
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

    /// There was one request with this outcome, and no server believes to have a whole one.
    #[track_caller]
    pub(crate) fn lost(self, outcome: Outcome, case: &str) {
        assert_eq!(self.outcomes, [outcome], "{case}: {:?}", self.copies);
        let whole = self.copies.iter().find(|copy| copy.is_whole);
        assert!(whole.is_none(), "{case}: {whole:?}");
    }
}
