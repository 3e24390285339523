//! M3: the charge of the copies is within a factor of two of their memory, and the limit applies to
//! that memory.
//!
//! The allocator of this test binary counts separately for each thread, so that the runs do not
//! disturb each other.

use std::{convert::Infallible, future::pending, iter::repeat_n, net::SocketAddr, time::Duration};

use allocation_counter::measure;
use axum::{Router, body::Bytes, extract::DefaultBodyLimit};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
    task::yield_now,
};
use tower::service_fn;
use tower_mirror::{
    HttpTarget, MirrorBuilder, MirrorHandle, MirrorLayer, SampleRate, ShadowBody,
    client::HttpTargetBuilder,
};
use tower_mirror_testing::{Act, Place, TestShadow};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// The default limit.
const LIMIT: usize = 16 * MIB;
/// The minimum charge of a copy. A small copy uses less memory.
const LEAST: usize = 8 * KIB;
/// The memory of a connection to a shadow, which does not belong to the copy.
const CONNECTION: usize = 32 * KIB;
/// The memory of clients and servers, which depends on the way in which the bytes of a request
/// arrive.
const AROUND: usize = 2 * MIB;
/// A timeout that no test reaches.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The way in which a shadow keeps its copies.
#[derive(Clone, Copy, Debug)]
enum Holds {
    /// The shadow is never ready.
    Back,
    /// The shadow keeps the request and its body.
    Request,
    /// The shadow reads the body, and keeps the head and the frames.
    Frames,
    /// The shadow is a server that accepts connections and never reads, behind a client for
    /// HTTP/1.1.
    Http1,
    /// The shadow is the same server behind a client for HTTP/2.
    Http2,
}

impl Holds {
    const ALL: [Self; 5] = [
        Self::Back,
        Self::Request,
        Self::Frames,
        Self::Http1,
        Self::Http2,
    ];

    async fn mirror(self) -> MirrorBuilder {
        match self {
            Self::Back => MirrorLayer::builder(TestShadow::new(Act::Hangs(Place::Ready))),
            Self::Request => MirrorLayer::builder(TestShadow::new(Act::Hangs(Place::Call))),
            Self::Frames => MirrorLayer::builder(service_fn(keep_frames)),
            Self::Http1 => MirrorLayer::builder(never_reading().await.build().unwrap()),
            Self::Http2 => MirrorLayer::builder(never_reading().await.http2().build().unwrap()),
        }
    }

    fn connection(self) -> usize {
        match self {
            Self::Http1 | Self::Http2 => CONNECTION,
            Self::Back | Self::Request | Self::Frames => 0,
        }
    }
}

async fn keep_frames(request: Request<ShadowBody>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (_head, mut body) = request.into_parts();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame);
    }
    pending().await
}

async fn never_reading() -> HttpTargetBuilder {
    let (listener, address) = tower_mirror_testing::net::listen().await;
    tokio::spawn(accept(listener));
    HttpTarget::builder(format!("http://{address}"))
        .max_connections(1000)
        .connect_timeout(NEVER)
        .write_timeout(NEVER)
        .ping_interval(NEVER)
}

async fn accept(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}

/// Serves each connection over HTTP/1.1 or HTTP/2. For HTTP/1.1, the read buffer may have 4 MiB, so
/// that heads of one MiB are accepted.
async fn serve(listener: TcpListener, mirror: MirrorLayer) {
    let app = Router::new()
        .fallback(async |_: Bytes| "primary")
        .layer(DefaultBodyLimit::disable())
        .layer(mirror);
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let service = TowerToHyperService::new(app.clone());
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().max_buf_size(4 * MIB);
        tokio::spawn(async move {
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// One request, which is described by its target and the lengths of its other parts.
#[derive(Clone, Copy, Debug)]
struct Sent {
    method: usize,
    target: &'static str,
    authority: usize,
    field: usize,
    body: usize,
}

const SMALL: Sent = Sent {
    method: 4,
    target: "/",
    authority: 0,
    field: 10,
    body: 0,
};
/// A long upload, which enlarges the server's read buffer of the connection. It is not copied.
const GROW: Sent = Sent {
    target: "/grow",
    body: MIB,
    ..SMALL
};

impl Sent {
    fn request(self) -> Request<Full<Bytes>> {
        let request = Request::post(format!("http://a{}", self.target));
        let request = request.header("x-field", "v".repeat(self.field));
        request.body(Full::from(vec![b'b'; self.body])).unwrap()
    }

    fn text(self) -> Vec<u8> {
        let mut text: Vec<u8> = repeat_n(b'M', self.method).collect();
        text.push(b' ');
        if self.authority > 0 {
            text.extend(b"http://");
            text.extend(repeat_n(b'a', self.authority));
        }
        let (target, body) = (self.target, self.body);
        let head = format!("{target} HTTP/1.1\r\nhost: a\r\ncontent-length: {body}\r\nx-field: ");
        text.extend(head.as_bytes());
        text.extend(repeat_n(b'v', self.field));
        text.extend(b"\r\n\r\n");
        text.extend(repeat_n(b'b', body));
        text
    }
}

/// A client's connection.
enum Client {
    Http1(TcpStream),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    async fn connect(protocol: Version, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        if protocol == Version::HTTP_11 {
            return Self::Http1(stream);
        }
        let client = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    async fn send(&mut self, sent: Sent) {
        match self {
            Self::Http1(stream) => {
                stream.write_all(&sent.text()).await.unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"primary") {
                    assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"));
            }
            Self::Http2(sender) => {
                let answer = sender.send_request(sent.request()).await.unwrap();
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.collect().await.unwrap().to_bytes(), "primary");
            }
        }
    }
}

/// A runtime, and the memory that was allocated since its creation and is still in use, in bytes.
struct Heap {
    runtime: Runtime,
    live: i64,
}

impl Heap {
    fn run<F: Future>(&mut self, work: F) -> F::Output {
        let mut output = None;
        let counted = measure(|| output = Some(self.runtime.block_on(work)));
        self.live += counted.bytes_current;
        output.expect("the work was done")
    }

    fn live(&self) -> usize {
        self.live.try_into().unwrap_or(0)
    }
}

/// Clients, a primary with a mirror, and its shadow.
struct Bench {
    heap: Heap,
    handle: MirrorHandle,
    client: Client,
}

impl Bench {
    fn new(protocol: Version, holds: Holds, rate: SampleRate) -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let mut heap = Heap { runtime, live: 0 };
        let (handle, client) = heap.run(async {
            let mirror = holds.mirror().await.sample_rate(rate);
            let mirror = mirror
                .filter(|head| head.uri.path() != GROW.target)
                .timeout(NEVER)
                .max_in_flight(1000)
                .max_buffered_bytes(LIMIT)
                .build();
            let handle = mirror.handle();
            let (listener, address) = tower_mirror_testing::net::listen().await;
            tokio::spawn(serve(listener, mirror));
            (handle, Client::connect(protocol, address).await)
        });
        Self {
            heap,
            handle,
            client,
        }
    }

    fn send(&mut self, sent: Sent) {
        self.heap.run(self.client.send(sent));
    }

    /// Runs all tasks that can run.
    fn settle(&mut self) {
        self.heap.run(async {
            for _ in 0..1000 {
                yield_now().await;
            }
        });
    }

    /// Asserts the promise: `live` bytes are in use, and at most `around` of them do not belong to
    /// copies.
    fn assert_bounded(&self, holds: Holds, live: usize, around: usize) {
        let stats = self.handle.stats();
        let (copies, charged) = (stats.in_flight() as usize, stats.buffered_bytes());
        assert!(charged <= LIMIT, "{stats}");
        let most = 2 * charged + copies * holds.connection() + around;
        assert!(
            live <= most,
            "{holds:?}: {live} B live, {charged} charged\n{stats}"
        );
        let least = (charged / 2).saturating_sub(copies * LEAST / 2);
        assert!(
            live >= least,
            "{holds:?}: {live} B live, {charged} charged\n{stats}"
        );
    }
}

/// Sends all requests on one connection, once without copies and once with each shadow.
fn is_bounded(protocol: Version, requests: impl Fn() -> Box<dyn Iterator<Item = Sent>>) {
    let mut without = Bench::new(protocol, Holds::Request, SampleRate::NONE);
    requests().for_each(|sent| without.send(sent));
    for holds in Holds::ALL {
        let mut bench = Bench::new(protocol, holds, SampleRate::ALL);
        for sent in requests() {
            bench.send(sent);
            bench.assert_bounded(holds, bench.heap.live(), AROUND);
        }
        bench.settle();
        let copies = bench.heap.live().saturating_sub(without.heap.live());
        bench.assert_bounded(holds, copies, AROUND);
        // This is sufficient to distinguish copies from other memory.
        assert!(bench.handle.stats().buffered_bytes() > 3 * MIB);
        let _ = bench.heap.run(bench.handle.drain(Duration::ZERO));
        bench.settle();
        assert_eq!(bench.handle.stats().buffered_bytes(), 0);
        if let Holds::Http2 = holds {
            // Bytes that were written to a shared connection cannot be revoked. They are released
            // with the connection.
            bench.heap.run(async {
                tokio::time::pause();
                tokio::time::advance(2 * NEVER).await;
                tokio::time::resume();
            });
            bench.settle();
        }
        let left = bench.heap.live().saturating_sub(without.heap.live());
        assert!(
            left <= AROUND,
            "{holds:?}: copies that have ended still use {left} B"
        );
    }
}

#[test]
fn large_heads() {
    is_bounded(Version::HTTP_11, || {
        let sent = Sent {
            field: 400_000,
            ..SMALL
        };
        Box::new(repeat_n(sent, 60))
    });
}

#[test]
fn heads_of_many_lengths_up_to_a_mebibyte() {
    is_bounded(Version::HTTP_11, || {
        let sent = |at: usize| Sent {
            field: 800_000 + at * 15_000,
            ..SMALL
        };
        Box::new((0..15).map(sent))
    });
}

/// Not only headers can be long.
#[test]
fn methods_and_authorities() {
    is_bounded(Version::HTTP_11, || {
        let method = Sent {
            method: 100_000,
            ..SMALL
        };
        let authority = Sent {
            authority: 60_000,
            ..SMALL
        };
        Box::new((0..60).flat_map(move |_| [method, authority]))
    });
}

/// Heads and bodies are in a read buffer that is twenty times larger.
#[test]
fn small_bodies_in_large_read_buffers() {
    is_bounded(Version::HTTP_11, || {
        let sent = Sent {
            body: 8 * KIB,
            ..SMALL
        };
        Box::new((0..100).flat_map(move |_| [GROW, sent, sent, sent, sent, sent, sent]))
    });
}

#[test]
fn small_heads_in_large_read_buffers() {
    is_bounded(Version::HTTP_11, || {
        Box::new((0..100).flat_map(move |_| [GROW, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL]))
    });
}

#[test]
fn a_mixture() {
    is_bounded(Version::HTTP_11, || {
        let round = |at: usize| {
            let field = Sent {
                field: at * 1500,
                ..SMALL
            };
            let body = Sent {
                body: at * 2000,
                ..SMALL
            };
            let both = Sent {
                field: 1000,
                body: 8 * KIB,
                ..SMALL
            };
            [GROW, SMALL, field, body, both]
        };
        Box::new((0..120).flat_map(round))
    });
}

/// The frames of HTTP/2 have at most 16 KiB, and so have its read buffers approximately.
#[test]
fn a_mixture_over_http2() {
    is_bounded(Version::HTTP_2, || {
        let round = |at: usize| {
            let field = Sent {
                field: at * 20,
                ..SMALL
            };
            let lengths = [100, 8191, 8 * KIB, 10_000 + at, 16 * KIB, 16 * KIB + 100];
            let body = lengths.map(|body| Sent { body, ..SMALL });
            [
                GROW, SMALL, field, body[0], body[1], body[2], body[3], body[4], body[5],
            ]
        };
        Box::new((0..80).flat_map(round))
    });
}
