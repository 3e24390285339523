//! `HttpTarget` against real servers on the loopback device. No test sleeps: tests await what the server sees,
//! and the one clock is a guard against hanging.
#![cfg(feature = "client")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONTENT_LENGTH, HOST};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Service, ServiceExt};
use tower_mirror::client::{
    Error, HttpTarget, HttpTargetBuilder, InvalidUrl, ResponseBody, ResponseFuture,
};

type BoxError = Box<dyn StdError + Send + Sync>;
type NoBody = Empty<Bytes>;

/// A server of both protocols that counts its connections.
struct Server {
    address: SocketAddr,
    connections: Arc<Connections>,
}

struct Connections {
    accepted: AtomicUsize,
    peak: AtomicUsize,
    open: watch::Sender<usize>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// Counts a connection as open while it lives.
struct Open(Arc<Connections>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

impl Server {
    async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Connections {
            accepted: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            open: watch::channel(0).0,
            tasks: Mutex::default(),
        });
        let shared = connections.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                shared.open.send_modify(|open| {
                    *open += 1;
                    shared.peak.fetch_max(*open, Ordering::SeqCst);
                });
                let open = Open(shared.clone());
                let task = tokio::spawn(serve(socket, router.clone(), open));
                shared.tasks.lock().unwrap().push(task.abort_handle());
            }
        });
        Self {
            address,
            connections,
        }
    }

    fn builder(&self) -> HttpTargetBuilder {
        HttpTarget::builder(format!("http://{}", self.address))
    }

    fn target(&self) -> HttpTarget {
        self.builder().build().unwrap()
    }

    fn accepted(&self) -> usize {
        self.connections.accepted.load(Ordering::SeqCst)
    }

    fn close_all(&self) {
        for task in self.connections.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    /// Waits until exactly `n` connections are open.
    async fn open(&self, n: usize) {
        let mut open = self.connections.open.subscribe();
        within(open.wait_for(|open| *open == n)).await.unwrap();
    }
}

async fn serve(socket: TcpStream, router: Router, _open: Open) {
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(100);
    let _ = builder
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
        .await;
}

/// Answers with what it saw of the request's head; `/empty` with 204, `/large` with 4 MiB.
fn whoami() -> Router {
    Router::new().fallback(async |request: AxumRequest| {
        let (head, body) = request.into_parts();
        let _ = body.collect().await;
        match head.uri.path() {
            "/empty" => return StatusCode::NO_CONTENT.into_response(),
            "/large" => return vec![7_u8; 4 << 20].into_response(),
            _ => {}
        }
        let mut seen = vec![format!("{:?} {}", head.version, head.uri)];
        let mut names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        for name in names
            .into_iter()
            .filter(|name| *name != CONTENT_LENGTH.as_str())
        {
            for value in head.headers.get_all(name) {
                seen.push(format!("{name}: {}", value.to_str().unwrap_or("?")));
            }
        }
        seen.join("\n").into_response()
    })
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("hangs")
}

async fn send<B>(target: &mut HttpTarget, request: Request<B>) -> Result<Response<Bytes>, Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    within(async {
        let response = ServiceExt::<Request<B>>::ready(target)
            .await?
            .call(request)
            .await?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    })
    .await
}

fn get(path: &str) -> Request<NoBody> {
    Request::get(path).body(Empty::new()).unwrap()
}

/// Waits until the target has no socket left.
async fn all_closed(target: &HttpTarget) {
    within(async {
        while target.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn ready(target: &mut HttpTarget) -> Result<(), Error> {
    within(poll_fn(|cx| poll_ready(target, cx))).await
}

fn poll_ready(target: &mut HttpTarget, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    Service::<Request<NoBody>>::poll_ready(target, cx)
}

fn io_error(error: &Error) -> &io::Error {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref() {
            return io;
        }
        source = error.source();
    }
    panic!("no io::Error among the sources of {error:?}");
}

// ===== The URL =====

#[test]
fn a_url_says_where_and_nothing_else() {
    for (url, authority) in [
        ("http://127.0.0.1:9002", "127.0.0.1:9002"),
        ("http://catalog", "catalog"),
        ("HTTP://Catalog:80/", "Catalog:80"),
        ("http://[::1]:80", "[::1]:80"),
        ("http://[::1]", "[::1]"),
    ] {
        assert_eq!(
            HttpTarget::new(url).unwrap().authority(),
            authority,
            "{url}"
        );
        assert!(url.parse::<HttpTarget>().is_ok() && HttpTarget::try_from(url).is_ok());
    }

    type Rule = fn(String) -> InvalidUrl;
    let cases: &[(&str, Rule, &str)] = &[
        ("", InvalidUrl::Malformed, "parsed"),
        ("http://a b", InvalidUrl::Malformed, "parsed"),
        ("http://a<b>", InvalidUrl::Malformed, "parsed"),
        ("http://[::g]", InvalidUrl::Malformed, "parsed"),
        ("http://a[::1]", InvalidUrl::Malformed, "parsed"),
        ("127.0.0.1:9002", InvalidUrl::NoScheme, "no scheme"),
        ("catalog", InvalidUrl::NoScheme, "no scheme"),
        ("/path", InvalidUrl::NoScheme, "no scheme"),
        ("://catalog", InvalidUrl::NoScheme, "no scheme"),
        ("ftp://catalog", InvalidUrl::UnknownScheme, "\"ftp\""),
        #[cfg(not(feature = "rustls"))]
        ("https://catalog", InvalidUrl::Https, "feature `rustls`"),
        ("http://", InvalidUrl::NoHost, "no host"),
        ("http:///", InvalidUrl::NoHost, "no host"),
        ("http://:80", InvalidUrl::NoHost, "no host"),
        ("http://catalog:", InvalidUrl::Port, "port"),
        ("http://catalog:0", InvalidUrl::Port, "port"),
        ("http://catalog:65536", InvalidUrl::Port, "port"),
        ("http://catalog:+80", InvalidUrl::Port, "port"),
        ("http://catalog:http", InvalidUrl::Port, "port"),
        ("http://[::1]80", InvalidUrl::Port, "port"),
        ("http://catalog/v2", InvalidUrl::Path, "path"),
        ("http://catalog/v2?a#b", InvalidUrl::Path, "path"),
        ("http://catalog?a=b", InvalidUrl::Query, "query"),
        ("http://catalog/?a=b", InvalidUrl::Query, "query"),
        ("http://catalog/#b", InvalidUrl::Fragment, "fragment"),
        ("http://catalog#b?", InvalidUrl::Fragment, "fragment"),
    ];
    for (url, rule, says) in cases {
        let error = HttpTarget::new(url).unwrap_err();
        assert_eq!(error, rule((*url).to_owned()));
        // A builder reports it when it builds, and when it is parsed.
        assert_eq!(HttpTarget::builder(url).http2().build().unwrap_err(), error);
        assert_eq!(url.parse::<HttpTargetBuilder>().unwrap_err(), error);
        let message = error.to_string();
        assert!(
            message.contains(&format!("{url:?}")) && message.contains(says),
            "{message}"
        );
    }

    let urls = [
        "http://user:secret@catalog",
        "https://user:secret@catalog",
        "http:/user:secret@catalog",
        "http:/user:secret@catalog/://",
        "//user:secret@catalog/a",
        "user:secret@catalog",
    ];
    for url in urls {
        let message = HttpTarget::new(url).unwrap_err().to_string();
        assert!(
            message.contains("***@catalog") && !message.contains("secret"),
            "{message}"
        );
    }
    let error = HttpTarget::new("http://user:secret@catalog").unwrap_err();
    assert_eq!(error, InvalidUrl::UserInfo("http://***@catalog".into()));
}

// ===== The head =====

/// A request's line and headers, and what the server is to see of it over either protocol.
type Head = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

const HEADS: &[Head] = &[
    // The target's own name, if the request names none.
    (
        "GET /a?b=c",
        &[],
        "/a?b=c\nhost: {own}",
        "http://{own}/a?b=c",
    ),
    (
        "GET /",
        &[("host", "catalog-shadow:80")],
        "/\nhost: catalog-shadow:80",
        "http://catalog-shadow:80/",
    ),
    // The URI's authority wins over `Host`, without its user information.
    (
        "GET http://u:p@a:1/x?y",
        &[("host", "b")],
        "/x?y\nhost: a:1",
        "http://a:1/x?y",
    ),
    ("GET https://a", &[], "/\nhost: a", "http://a/"),
    ("GET a:443", &[], "/\nhost: a:443", "http://a:443/"),
    (
        "GET /",
        &[("host", "a"), ("host", "b")],
        "/\nhost: a",
        "http://a/",
    ),
    // An invalid authority cannot be an `:authority`.
    ("GET /", &[("host", "")], "/\nhost: ", "http://{own}/"),
    ("GET /", &[("host", "a b")], "/\nhost: a b", "http://{own}/"),
    ("GET /", &[("host", "u:p@a")], "/\nhost: u:p@a", "http://a/"),
    ("GET /", &[("host", ":80")], "/\nhost: :80", "http://{own}/"),
    ("OPTIONS *", &[("host", "a")], "*\nhost: a", "http://a*"),
    // Only HTTP/2 keeps `TE`, and only HTTP/1.1 has fields for the connection.
    (
        "GET /",
        &[("host", "a"), ("te", "trailers")],
        "/\nhost: a",
        "http://a/\nte: trailers",
    ),
    (
        "GET /",
        &[("host", "a"), ("te", "gzip")],
        "/\nhost: a",
        "http://a/",
    ),
    (
        "GET /",
        &[
            ("host", "a"),
            ("connection", "x-hop, te"),
            ("x-hop", "1"),
            ("te", "gzip, trailers"),
            ("x-end", "1"),
        ],
        "/\nhost: a\nx-end: 1",
        "http://a/\nte: trailers\nx-end: 1",
    ),
    (
        "GET /",
        &[
            ("host", "a"),
            ("keep-alive", "1"),
            ("proxy-connection", "1"),
            ("upgrade", "h2c"),
        ],
        "/\nhost: a",
        "http://a/",
    ),
];

#[tokio::test]
async fn the_host_is_the_requests_and_the_address_the_targets() {
    let server = Server::start(whoami()).await;
    let own = server.address.to_string();
    let (mut http1, mut http2) = (server.target(), server.builder().http2().build().unwrap());
    for (line, headers, seen_http1, seen_http2) in HEADS {
        let (method, uri) = line.split_once(' ').unwrap();
        // The version a request came with is not the one it is sent with.
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let request = || {
                let mut request = Request::builder().method(method).uri(uri).version(version);
                for (name, value) in *headers {
                    request = request.header(*name, *value);
                }
                request.body(NoBody::new()).unwrap()
            };
            let seen = send(&mut http1, request()).await.unwrap().into_body();
            let expected = format!("HTTP/1.1 {}", seen_http1.replace("{own}", &own));
            assert_eq!(seen, expected, "{line} {headers:?} over HTTP/1.1");

            let seen = send(&mut http2, request()).await.unwrap().into_body();
            let expected = format!("HTTP/2.0 {}", seen_http2.replace("{own}", &own));
            assert_eq!(seen, expected, "{line} {headers:?} over HTTP/2");
        }
    }
}

#[tokio::test]
async fn connect_is_refused_and_costs_no_connection() {
    let server = Server::start(whoami()).await;
    for mut target in [server.target(), server.builder().http2().build().unwrap()] {
        let connect = Request::connect("catalog:443").body(NoBody::new()).unwrap();
        let error = send(&mut target, connect).await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && !error.is_transport());
        assert!(error.source().unwrap().to_string().contains("CONNECT"));
        send(&mut target, get("/")).await.unwrap();
        assert_eq!(target.connections(), 1);
    }
    assert_eq!(server.accepted(), 2);
}

// ===== Connections =====

async fn send_all_sorts(target: &mut HttpTarget) {
    let large = Bytes::from(vec![1; 4 << 20]);
    for method in [Method::GET, Method::HEAD, Method::POST] {
        for path in ["/", "/empty", "/large"] {
            let request = Request::builder()
                .method(&method)
                .uri(path)
                .body(Full::new(large.clone()))
                .unwrap();
            let body = send(target, request).await.unwrap().into_body();
            assert_eq!(
                path == "/large" && method != Method::HEAD,
                body.len() == 4 << 20,
                "{method} {path}"
            );
        }
    }
    // A reader that knows the length never asks for the end.
    let response = within(target.call(get("/large"))).await.unwrap();
    let (mut body, mut read) = (response.into_body(), 0);
    while read < 4 << 20 {
        read += within(body.frame())
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len();
    }
    assert!(body.is_end_stream());
    send(target, get("/")).await.unwrap();
    drop(body);
    // A body that is empty from the start is not read at all.
    let head = Request::head("/large").body(NoBody::new()).unwrap();
    let unread = within(target.call(head)).await.unwrap();
    send(target, get("/")).await.unwrap();
    drop(unread);
}

#[tokio::test]
async fn sequential_requests_use_one_connection() {
    let server = Server::start(whoami()).await;
    send_all_sorts(&mut server.target()).await;
    assert_eq!(server.accepted(), 1);
    send_all_sorts(&mut server.builder().http2().build().unwrap()).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequential_requests_reuse_connections_across_threads() {
    let server = Server::start(whoami()).await;
    let target = server.target();
    for _ in 0..500 {
        // A clone each, as under axum.
        send(&mut target.clone(), get("/empty")).await.unwrap();
    }
    // A second one is dialled when the first takes too long to become ready, on a machine with other work. Both stay open.
    assert!(server.accepted() < 10, "{}", server.accepted());
}

#[tokio::test]
async fn five_hundred_hosts_share_one_http2_connection() {
    let server = Server::start(whoami()).await;
    let target = server.builder().http2().build().unwrap();
    let answers = join_all((0..500).map(|n| {
        let mut target = target.clone();
        async move {
            let request = Request::get("/")
                .header(HOST, format!("catalog-{n}"))
                .body(NoBody::new())
                .unwrap();
            send(&mut target, request).await.unwrap().into_body()
        }
    }));
    for (n, seen) in answers.await.into_iter().enumerate() {
        assert_eq!(seen, format!("HTTP/2.0 http://catalog-{n}/"));
    }
    assert_eq!((server.accepted(), target.connections()), (1, 1));
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let server = Server::start(whoami()).await;
    let target = server.builder().max_connections(4).build().unwrap();
    let answers = join_all((0..50).map(|_| {
        let mut target = target.clone();
        async move {
            send(&mut target, get("/large"))
                .await
                .map(|response| response.status())
        }
    }));
    assert!(
        answers
            .await
            .into_iter()
            .all(|status| matches!(status, Ok(StatusCode::OK)))
    );
    assert_eq!(server.connections.peak.load(Ordering::SeqCst), 4);
    assert_eq!((server.accepted(), target.connections()), (4, 4));
}

#[tokio::test]
async fn who_waits_for_a_connection_gets_the_one_that_comes_back_or_the_place_of_one_that_closes() {
    let server = Server::start(whoami()).await;
    let target = server.builder().max_connections(1).build().unwrap();

    let (mut first, mut second, mut third) = (target.clone(), target.clone(), target.clone());
    ready(&mut first).await.unwrap();
    let mut second = task::spawn(poll_fn(|cx| poll_ready(&mut second, cx)));
    assert_pending!(second.poll());
    let mut third = task::spawn(poll_fn(|cx| poll_ready(&mut third, cx)));
    assert_pending!(third.poll());

    send(&mut first, get("/")).await.unwrap();
    assert!(second.is_woken());
    assert_ready_ok!(second.poll());
    assert_pending!(third.poll());
    assert_eq!(server.accepted(), 1);

    // Now the connection goes while it is lent out.
    server.close_all();
    within(third).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

/// A connection that comes back costs as much as with one caller, however many wait.
#[tokio::test]
async fn of_twenty_thousand_callers_each_is_woken_once() {
    const CALLERS: usize = 20_000;
    let server = Server::start(whoami()).await;
    let target = server.builder().max_connections(1).build().unwrap();
    let mut holder = target.clone();
    ready(&mut holder).await.unwrap();
    let mut waiting: VecDeque<_> = std::iter::repeat_with(|| {
        let mut target = target.clone();
        task::spawn(async move {
            poll_fn(|cx| poll_ready(&mut target, cx)).await?;
            Ok::<_, Error>(target)
        })
    })
    .take(CALLERS)
    .collect();
    for caller in &mut waiting {
        tokio::task::yield_now().await; // a new budget of tokio's
        assert_pending!(caller.poll());
    }
    drop(holder);
    while let Some(mut first) = waiting.pop_front() {
        assert!(first.is_woken(), "{} wait", waiting.len());
        let is_checked = waiting.len() % 1000 < 3;
        assert!(!is_checked || !waiting.iter().any(|caller| caller.is_woken()));
        tokio::task::yield_now().await;
        // The next caller gets the connection when this one drops it unused.
        drop(assert_ready_ok!(first.poll()));
    }
    assert_eq!(server.accepted(), 1);
}

/// Unread responses hold all streams that the server admits, and other requests get another connection.
#[tokio::test]
async fn a_full_http2_connection_is_joined_by_another() {
    const ADMITTED: u32 = 3;
    let (address, accepted) = small_http2_server(ADMITTED).await;
    let target = HttpTarget::builder(format!("http://{address}")).http2();
    let target = target.max_connections(2).build().unwrap();
    // The server announces how many it admits before its first response.
    send(&mut target.clone(), get("/")).await.unwrap();
    let mut unread = Vec::new();
    for held in 0..2 * ADMITTED {
        let answer = within(target.clone().oneshot(get("/held"))).await.unwrap();
        assert_eq!(accepted.load(Ordering::SeqCst), 1 + held as usize / 3);
        unread.push(answer);
    }
    // There may be no third connection, and the request waits in one of the two.
    let mut next = task::spawn(target.clone().oneshot(get("/")));
    for _ in 0..100 {
        assert_pending!(next.poll());
        tokio::task::yield_now().await;
    }
    drop((unread.remove(0), unread.pop()));
    assert_eq!(within(next).await.unwrap().status(), StatusCode::OK);
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
    drop(unread);
    for _ in 0..10 {
        send(&mut target.clone(), get("/")).await.unwrap();
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

/// `/held` has a body that never ends.
async fn small_http2_server(streams: u32) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    let service = hyper::service::service_fn(async |request: Request<hyper::body::Incoming>| {
        let body = match request.uri().path() {
            "/held" => http_body_util::StreamBody::new(futures_util::stream::pending::<
                Result<Frame<Bytes>, Infallible>,
            >())
            .boxed(),
            _ => NoBody::new().boxed(),
        };
        Ok::<_, Infallible>(Response::new(body))
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(streams);
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, accepted)
}

/// What the kernel's table says of the connections to this port: the kind of timer that each one waits for.
#[cfg(target_os = "linux")]
fn timers(port: u16) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    let rows = table.lines().map(|row| row.split_whitespace());
    rows.filter_map(|mut row| {
        let address = row.nth(2)?;
        let timer = row.nth(2)?.split(':').next()?;
        address.ends_with(&remote).then(|| timer.to_owned())
    })
    .collect()
}

/// The kernel asks whether the peer of an idle connection is still there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_connection_is_kept_alive_by_the_kernel() {
    const KEEP_ALIVE: &str = "02";
    let server = Server::start(whoami()).await;
    let mut target = server.target();
    send(&mut target, get("/")).await.unwrap();
    // Until the last acknowledgement has come, another timer runs.
    within(async {
        while timers(server.address.port()) != [KEEP_ALIVE] {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_sent_a_large_head_is_not_kept() {
    let server = Server::start(whoami()).await;
    let mut target = server.target();
    for (bytes, accepted) in [(60_000, 1), (70_000, 1), (70_000, 2), (1, 3), (1, 3)] {
        let request = Request::get("/").header("x-large", "x".repeat(bytes));
        let request = request.body(NoBody::new()).unwrap();
        let answer = send(&mut target, request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(server.accepted(), accepted, "{bytes}");
    }
}

#[tokio::test]
async fn a_dial_that_a_returned_connection_overtakes_is_kept() {
    let server = Server::start(whoami()).await;
    let target = server.builder().max_connections(2).build().unwrap();
    let (mut first, mut second) = (target.clone(), target.clone());
    ready(&mut first).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert_pending!(poll_ready(&mut second, &mut cx));
    drop(first);
    assert_ready_ok!(poll_ready(&mut second, &mut cx));
    // With one connection lent out and no third allowed, only the one that was being made can serve.
    let mut third = target.clone();
    ready(&mut third).await.unwrap();
    send(&mut third, get("/")).await.unwrap();
    assert_eq!((server.accepted(), target.connections()), (2, 2));
    drop((second, third, target));
    server.open(0).await;
}

#[tokio::test]
async fn no_more_idle_connections_than_allowed() {
    let server = Server::start(whoami()).await;
    for (max, left) in [(2, 2), (0, 0)] {
        let target = server.builder().max_idle(max).build().unwrap();
        let mut targets: Vec<_> = (0..8).map(|_| target.clone()).collect();
        for target in &mut targets {
            ready(target).await.unwrap();
        }
        server.open(8).await;
        drop(targets);
        server.open(left).await;
        drop(target);
        server.open(0).await;
    }
}

#[tokio::test]
async fn a_refused_connection_fails_readiness() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for target in [
        HttpTarget::new(&url).unwrap(),
        HttpTarget::builder(&url).http2().build().unwrap(),
    ] {
        for error in join_all((0..4).map(|_| {
            let mut target = target.clone();
            async move { ready(&mut target).await.unwrap_err() }
        }))
        .await
        {
            assert!(error.is_connect() && !error.is_transport());
            assert_eq!(io_error(&error).kind(), io::ErrorKind::ConnectionRefused);
        }
        assert_eq!(target.connections(), 0);
    }
}

#[tokio::test]
async fn a_connection_that_takes_too_long_fails_readiness() {
    // If the queue of a listener is full, Linux ignores further connection attempts.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(connection) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queued.push(connection.unwrap());
        assert!(queued.len() < 64, "the queue never fills");
    }

    let target = HttpTarget::builder(format!("http://{address}"));
    let mut target = target
        .connect_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = ready(&mut target).await.unwrap_err();
    assert!(error.is_connect());
    assert_eq!(io_error(&error).kind(), io::ErrorKind::TimedOut);
    assert_eq!(target.connections(), 0);
}

/// In each round, it accepts this number of connections, answers one request on each, and closes them all when it gets a
/// message. After the last round, it does not listen any more.
fn closing_server(rounds: &'static [usize]) -> (SocketAddr, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (close, told) = mpsc::channel();
    let (closed, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut listener = Some(listener);
        for (round, n) in rounds.iter().enumerate() {
            let accept = || listener.as_ref().unwrap().accept().unwrap().0;
            let mut sockets: Vec<_> = std::iter::repeat_with(accept).take(*n).collect();
            for socket in &mut sockets {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .unwrap();
            }
            told.recv().unwrap();
            drop(sockets);
            if round + 1 == rounds.len() {
                listener = None;
            }
            closed.send(()).unwrap();
        }
    });
    (address, close, heard)
}

#[tokio::test]
async fn an_unsent_request_goes_to_a_fresh_connection() {
    let (address, close, closed) = closing_server(&[3, 1]);
    let target = HttpTarget::builder(format!("http://{address}"))
        .max_connections(3)
        .build()
        .unwrap();
    let mut targets = [target.clone(), target.clone(), target.clone()];
    for target in &mut targets {
        ready(target).await.unwrap();
    }
    join_all(
        targets
            .iter_mut()
            .map(|target| async { send(target, get("/")).await.unwrap() }),
    )
    .await;
    drop(targets);

    // The server closes all three while this thread, and with it the client, is asleep. One yield then lets the runtime
    // hear of it; this task is polled before the connections' are, so what it sends meets a connection about to close.
    let mut target = target;
    ready(&mut target).await.unwrap();
    assert_eq!(target.connections(), 3);
    close.send(()).unwrap();
    closed.recv().unwrap();
    tokio::task::yield_now().await;
    assert_eq!(target.connections(), 3);
    let answer = within(target.call(get("/"))).await.unwrap();
    assert_eq!(
        within(answer.into_body().collect())
            .await
            .unwrap()
            .to_bytes(),
        "ok"
    );
    close.send(()).unwrap();
}

#[tokio::test]
async fn an_unsent_request_whose_target_is_gone_fails() {
    let (address, close, closed) = closing_server(&[1]);
    let mut target = HttpTarget::new(&format!("http://{address}")).unwrap();
    send(&mut target, get("/")).await.unwrap();
    ready(&mut target).await.unwrap();
    close.send(()).unwrap();
    closed.recv().unwrap();
    tokio::task::yield_now().await;
    let error = within(target.call(get("/"))).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(io_error(&error).kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_closed_connection_is_replaced() {
    let server = Server::start(whoami()).await;
    for target in [server.target(), server.builder().http2().build().unwrap()] {
        let accepted = server.accepted();
        for n in 1..=5 {
            let mut target = target.clone();
            // Readied before its connection goes, and sent after.
            ready(&mut target).await.unwrap();
            server.open(1).await;
            server.close_all();
            all_closed(&target).await;
            let mut cx = Context::from_waker(Waker::noop());
            within(async {
                while poll_ready(&mut target, &mut cx).is_ready() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            send(&mut target, get("/")).await.unwrap();
            assert_eq!(server.accepted(), accepted + 2 * n);
            server.close_all();
            server.open(0).await;
            all_closed(&target).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_notice_a_closed_http2_connection_at_once() {
    let server = Server::start(whoami()).await;
    let target = server.builder().http2().build().unwrap();
    for _ in 0..20 {
        server.close_all();
        let answers = (0..32).map(|_| {
            let mut target = target.clone();
            tokio::spawn(async move { send(&mut target, get("/")).await })
        });
        for answer in join_all(answers).await {
            // Sent to a connection that was closing, it may fail; it must not panic.
            if let Err(error) = answer.unwrap() {
                io_error(&error);
            }
        }
    }
    within(async { while send(&mut target.clone(), get("/")).await.is_err() {} }).await;
}

#[tokio::test]
async fn who_gives_up_on_an_http2_connection_leaves_it_to_the_others() {
    let server = Server::start(whoami()).await;
    let target = server.builder().http2().build().unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let (mut first, mut idle, mut last) = (target.clone(), target.clone(), target.clone());
    assert_pending!(poll_ready(&mut first, &mut cx));
    assert_pending!(poll_ready(&mut idle, &mut cx));
    // The one that began is gone, another is never polled again.
    drop(first);
    ready(&mut last).await.unwrap();
    assert_eq!(target.connections(), 1);
    assert_ready_ok!(poll_ready(&mut idle, &mut cx));

    // A dial is dropped with the last caller that waits for it.
    let target = server.builder().http2().build().unwrap();
    let mut only = target.clone();
    assert_pending!(poll_ready(&mut only, &mut cx));
    assert_eq!(target.connections(), 1);
    drop(only);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_response_dropped_before_its_end_closes_its_connection() {
    let endless = Router::new().fallback(async || {
        let frames = futures_util::stream::repeat_with(|| {
            Ok::<_, Infallible>(Bytes::from_static(&[0; 8192]))
        });
        axum::body::Body::from_stream(frames)
    });
    let server = Server::start(endless).await;
    let mut target = server.target();
    ready(&mut target).await.unwrap();
    let mut body = within(target.call(get("/"))).await.unwrap().into_body();
    within(body.frame()).await.unwrap().unwrap();
    server.open(1).await;
    drop(body);
    server.open(0).await;
}

#[tokio::test]
async fn a_response_ahead_of_its_requests_end_brings_the_connection_back_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for end in ["\r\n\r\n", "0\r\n\r\n", "\r\n\r\n"] {
            let mut read = Vec::new();
            while !read.ends_with(end.as_bytes()) {
                read.push(tokio::io::AsyncReadExt::read_u8(&mut socket).await.unwrap());
            }
            if end.starts_with('\r') {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                tokio::io::AsyncWriteExt::write_all(&mut socket, answer)
                    .await
                    .unwrap();
            }
        }
        socket
    });

    let target = HttpTarget::builder(&url)
        .max_connections(1)
        .build()
        .unwrap();
    let (upload, body) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let body = futures_util::stream::unfold(body, async |mut body| {
        let data = body.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(data)), body))
    });
    let request = Request::post("/")
        .body(http_body_util::StreamBody::new(body))
        .unwrap();
    assert_eq!(
        send(&mut target.clone(), request)
            .await
            .unwrap()
            .into_body(),
        "ok"
    );

    let mut next = target.clone();
    let mut next = task::spawn(async { send(&mut next, get("/")).await });
    assert_pending!(next.poll());
    // The request waits a moment for a connection that returns, before it dials. Only the clock passes this moment.
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(50)).await;
    tokio::time::resume();
    assert_pending!(next.poll());
    upload.send(Bytes::from("late")).unwrap();
    drop(upload);
    assert_eq!(within(next).await.unwrap().into_body(), "ok");
    within(peer).await.unwrap();
}

#[tokio::test]
async fn a_request_dropped_in_flight_closes_its_connection() {
    let (started, mut seen) = watch::channel(0);
    let silent = Router::new().fallback(async move || {
        started.send_modify(|n| *n += 1);
        std::future::pending::<()>().await;
    });
    let server = Server::start(silent).await;
    let mut target = server.target();
    ready(&mut target).await.unwrap();
    let mut response = task::spawn(target.call(get("/")));
    assert_pending!(response.poll());
    within(seen.wait_for(|n| *n == 1)).await.unwrap();
    drop(response);
    server.open(0).await;
    all_closed(&target).await;
}

/// A body that says when it is dropped.
struct Watched {
    left: usize,
    _dropped: oneshot::Sender<()>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 64 << 10])))))
    }
}

#[tokio::test]
async fn a_peer_that_takes_nothing_loses_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = HttpTarget::builder(&url)
        .write_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    for abort in [false, true] {
        let mut target = target.clone();
        ready(&mut target).await.unwrap();
        let peer = within(listener.accept()).await.unwrap();
        let (dropped, gone) = oneshot::channel();
        let body = Watched {
            left: 256,
            _dropped: dropped,
        };
        let response = target.call(Request::post("/").body(body).unwrap());
        if abort {
            // The caller is gone; hyper would keep the body for as long as the peer does not read.
            let mut response = task::spawn(response);
            assert_pending!(response.poll());
            tokio::task::yield_now().await;
            drop(response);
        } else {
            let error = within(response).await.unwrap_err();
            assert!(error.is_transport());
            assert_eq!(io_error(&error).kind(), io::ErrorKind::TimedOut);
        }
        assert!(
            within(gone).await.is_err(),
            "the body is dropped, not finished"
        );
        all_closed(&target).await;
        drop(peer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_keeps_its_connection() {
    // The peer moves the clock. During a blocking task, tokio does not move it to the next timer, and so no other timer
    // decides while a socket is busy. If the test hangs, this one ends and the guard of `send` fails the test.
    let (_moves_clock, ended) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(30)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut target = HttpTarget::builder(&url)
        .write_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let peer = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 64 << 10];
        // 8 MB a second: the whole takes longer than the limit, and each part takes less.
        let mut seen = Vec::new();
        while !seen.ends_with(b"0\r\n\r\n") {
            let read = tokio::io::AsyncReadExt::read(&mut socket, &mut buffer)
                .await
                .unwrap();
            seen.extend_from_slice(&buffer[..read]);
            tokio::time::advance(Duration::from_micros(read as u64 / 8)).await;
        }
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut socket, answer)
            .await
            .unwrap();
        socket
    });
    let body = Watched {
        left: 384,
        _dropped: oneshot::channel().0,
    };
    let response = send(&mut target, Request::post("/").body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    peer.await.unwrap();
}

#[tokio::test]
async fn a_readied_target_returns_its_connection_when_dropped() {
    let server = Server::start(whoami()).await;
    let target = server.builder().max_connections(1).build().unwrap();
    let (mut first, mut second) = (target.clone(), target.clone());
    ready(&mut first).await.unwrap();
    drop(first);
    assert_ready_ok!(task::spawn(poll_fn(|cx| poll_ready(&mut second, cx))).poll());
    drop(second);
    assert_eq!((server.accepted(), target.connections()), (1, 1));
}

#[tokio::test]
async fn a_clone_carries_no_connection() {
    let server = Server::start(whoami()).await;
    let mut target = server.builder().max_connections(1).build().unwrap();
    ready(&mut target).await.unwrap();
    let mut clone = target.clone();
    assert_pending!(task::spawn(poll_fn(|cx| poll_ready(&mut clone, cx))).poll());
    assert_ready_ok!(task::spawn(poll_fn(|cx| poll_ready(&mut target, cx))).poll());
}

#[tokio::test]
async fn call_without_readiness_obtains_a_connection() {
    let server = Server::start(whoami()).await;
    for mut target in [server.target(), server.builder().http2().build().unwrap()] {
        let first = target.call(get("/a"));
        // Begun and not finished.
        let _ = task::spawn(poll_fn(|cx| poll_ready(&mut target, cx))).poll();
        let second = target.call(get("/b"));
        for response in within(join_all([first, second])).await {
            assert_eq!(response.unwrap().status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn pooled_connections_end_with_the_target() {
    let server = Server::start(whoami()).await;
    for target in [server.target(), server.builder().http2().build().unwrap()] {
        let mut clone = target.clone();
        send(&mut clone, get("/")).await.unwrap();
        let body = within(clone.call(get("/"))).await.unwrap().into_body();
        drop(target);
        drop(clone);
        // The body of a response outlives the target and can be read.
        assert!(!within(body.collect()).await.unwrap().to_bytes().is_empty());
        server.open(0).await;
    }
}

// ===== Errors =====

#[tokio::test]
async fn a_peer_that_hangs_up_is_a_transport_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::io::AsyncReadExt::read(&mut socket, &mut [0; 1024])
                .await
                .unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes())
                .await
                .unwrap();
        }
    });
    let mut target = HttpTarget::new(&url).unwrap();
    let kinds = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::InvalidData,
    ];
    for kind in kinds {
        let error = send(&mut target, get("/")).await.unwrap_err();
        assert!(error.is_transport() && !error.is_connect() && !error.is_request());
        assert_eq!(io_error(&error).kind(), kind, "{error:?}");
    }
}

#[tokio::test]
async fn a_failing_request_body_is_not_blamed_on_the_target() {
    let server = Server::start(whoami()).await;
    let mut target = server.target();
    ready(&mut target).await.unwrap();
    let broken = futures_util::stream::iter([
        Ok(Frame::data(Bytes::from("half"))),
        Err(BoxError::from("broken")),
    ]);
    let request = Request::post("/")
        .body(http_body_util::StreamBody::new(broken))
        .unwrap();
    let error = within(target.call(request)).await.unwrap_err();
    assert!(error.is_request() && !error.is_transport(), "{error:?}");
    server.open(0).await;
}

#[test]
fn without_a_runtime_readiness_fails() {
    let mut cx = Context::from_waker(Waker::noop());
    for mut target in [
        HttpTarget::new("http://127.0.0.1:1").unwrap(),
        HttpTarget::builder("http://127.0.0.1:1")
            .http2()
            .build()
            .unwrap(),
    ] {
        let error = assert_ready!(poll_ready(&mut target, &mut cx)).unwrap_err();
        assert!(error.is_connect());
        io_error(&error);
        let error = assert_ready!(pin!(target.call(get("/"))).poll(&mut cx)).unwrap_err();
        assert!(error.is_connect());

        // A runtime without IO and timers is not enough, and no reason to panic.
        let bare = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for _ in 0..2 {
            let error = bare
                .block_on(poll_fn(|cx| poll_ready(&mut target, cx)))
                .unwrap_err();
            assert!(error.is_connect());
            io_error(&error);
        }
        assert_eq!(target.connections(), 0);
    }
}

// ===== Types =====

#[test]
fn auto_traits() {
    fn target<T: Clone + Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    fn error<T: StdError + Clone + Send + Sync + Unpin + 'static>() {}
    fn response<T: Send + Unpin + std::fmt::Debug + 'static>() {}
    fn body<T: Body<Data = Bytes, Error = Error> + Default>() {}
    target::<HttpTarget>();
    error::<Error>();
    error::<InvalidUrl>();
    response::<ResponseFuture>();
    response::<ResponseBody>();
    body::<ResponseBody>();
    // Its debug form names neither a request's nor a connection's content.
    let target = HttpTarget::new("http://catalog").unwrap();
    assert!(
        format!("{target:?}").starts_with("HttpTarget { authority: catalog, settings: Settings")
    );
    let empty = ResponseBody::default();
    assert!(empty.is_end_stream());
    assert_eq!(empty.size_hint().exact(), Some(0));
}

/// `is_end_stream` distinguishes a reset from an end, and layers around the server's body may not pass it on: a request must
/// not be refused for that.
#[tokio::test]
async fn a_whole_upload_over_http2_is_passed_on_whatever_body_it_comes_in() {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let primary = axum::Router::new().fallback(async move |request: axum::extract::Request| {
        let mut body = request.into_body();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            read.extend_from_slice(&frame.unwrap().into_data().unwrap_or_default());
            let _ = heard.send(());
        }
        read
    });
    let primary = serve_axum(primary).await;
    let timeout = tower_http::timeout::RequestBodyTimeoutLayer::new(LONG);
    for kind in ["plain", "with a timeout", "of a stream"] {
        let target = HttpTarget::new(&format!("http://{primary}")).unwrap();
        let proxy = tower::service_fn(move |request: Request<axum::body::Body>| {
            let target = target.clone();
            async move {
                let request = match kind {
                    "of a stream" => {
                        request.map(|body| axum::body::Body::from_stream(body.into_data_stream()))
                    }
                    _ => request,
                };
                let answer = target.oneshot(request).await.expect("an answer");
                Ok::<_, std::convert::Infallible>(answer.map(axum::body::Body::new))
            }
        });
        let proxy = axum::Router::new().fallback_service(proxy);
        let proxy = match kind {
            "with a timeout" => proxy.layer(timeout.clone()),
            _ => proxy,
        };
        let address = serve_axum(proxy).await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let request = Request::post(format!("http://{address}/"))
            .body(())
            .unwrap();
        let (answer, mut upload) = client.send_request(request, false).unwrap();
        upload
            .send_data(Bytes::from_static(b"hello"), false)
            .unwrap();
        // The end comes in a frame of its own, after the data has arrived.
        timeout_of(hears.recv()).await.expect("data");
        upload.send_data(Bytes::new(), true).unwrap();
        let answer = timeout_of(answer).await.unwrap();
        assert_eq!(answer.status(), 200, "{kind}");
        let mut body = answer.into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "hello", "{kind}");
    }
}

async fn timeout_of<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(LONG, waiting).await.expect("it hangs")
}

/// No test waits for it; it only keeps a broken one from hanging.
const LONG: Duration = Duration::from_secs(30);

async fn serve_axum(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}
