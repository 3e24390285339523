//! Over real sockets: what the client sees is byte for byte the same as without the layer, whatever becomes of the comparison.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response, routing::any};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::client::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_mirror::{
    BoxError, HttpTarget, MirrorLayer,
    compare::{Compare, CompareHandle, CompareLayer, DifferenceReport},
};

/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(120);
const LARGE: usize = 100 << 20;
const CHUNK: usize = 64 << 10;

fn frames(
    frames: impl IntoIterator<Item = Result<Frame<Bytes>, BoxError>>,
) -> Vec<Result<Frame<Bytes>, BoxError>> {
    frames.into_iter().collect()
}

fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// Bytes that are not all alike.
fn chunk(at: usize) -> Bytes {
    vec![(at % 251) as u8; CHUNK].into()
}

/// `version` is what v2 says otherwise than v1.
fn app(version: &'static str) -> Router {
    let json = move || {
        let body = format!(r#"{{"version": "{version}", "items": [1, 2]}}"#);
        Response::builder()
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap()
    };
    let of = |frames| Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    Router::new()
        .route("/json", any(async move || json()))
        .route("/empty", any(async || StatusCode::NO_CONTENT))
        .route(
            "/tagged",
            any(async |headers: HeaderMap| {
                let is_known = headers.contains_key(header::IF_NONE_MATCH);
                let status = if is_known { 304 } else { 200 };
                let answer = Response::builder().status(status).header("etag", "\"1\"");
                let body = if is_known { "" } else { "tagged" };
                answer.body(Body::from(body)).unwrap()
            }),
        )
        .route(
            "/trailers",
            any(async move || {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", HeaderValue::from_static("7"));
                let mut answer = of(frames([
                    data("one"),
                    data("two"),
                    Ok(Frame::trailers(trailers)),
                ]));
                let names = HeaderValue::from_static("x-sum");
                answer.headers_mut().insert("trailer", names);
                answer
            }),
        )
        .route(
            "/cut",
            any(async move || {
                // The head and the first frame are on their way when the body breaks off.
                let broken = stream::once(async {
                    tokio::task::yield_now().await;
                    Err("broken".into())
                });
                let frames = stream::iter([data("half")]).chain(broken);
                Response::new(Body::new(StreamBody::new(frames)))
            }),
        )
        .route(
            "/large",
            any(async || {
                let chunks =
                    stream::iter((0..LARGE / CHUNK).map(|at| Ok::<_, BoxError>(chunk(at))));
                Response::new(Body::from_stream(chunks))
            }),
        )
        .route(
            "/endless",
            any(async || {
                let chunks = stream::iter((0..).map(|at| Ok::<_, BoxError>(chunk(at))));
                Response::new(Body::from_stream(chunks))
            }),
        )
        .route(
            "/hanging",
            any(async || {
                let first = stream::iter([Ok::<_, BoxError>(chunk(0))]);
                Response::new(Body::from_stream(first.chain(stream::pending())))
            }),
        )
        .route("/upgrade", any(upgrade))
        .route("/silent", any(async || pending::<Infallible>().await))
}

/// Switches to a protocol that gives back what it gets.
async fn upgrade(mut request: Request) -> Response {
    if !request.headers().contains_key(header::UPGRADE) {
        return Response::new(Body::from("no offer"));
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        let mut ping = [0; 4];
        io.read_exact(&mut ping).await.unwrap();
        io.write_all(&ping).await.unwrap();
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Body::empty())
        .unwrap()
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(app.clone());
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                let _ = serving.await;
            });
        }
    });
    address
}

/// What becomes of the comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Healthy,
    /// Nothing may be held.
    FullBudget,
    /// The comparing thread never comes back.
    DeadComparer,
    /// v2 and the second v1 do not answer.
    SilentCopies,
    /// Nobody listens where v2 and the second v1 should be.
    NoCopies,
    Alone,
}

const STATES: [State; 6] = [
    State::Healthy,
    State::FullBudget,
    State::DeadComparer,
    State::SilentCopies,
    State::NoCopies,
    State::Alone,
];

struct Front {
    address: SocketAddr,
    handle: CompareHandle,
    layer: CompareLayer,
    /// Dropped, the comparing thread comes back.
    _dead: mpsc::Sender<()>,
}

async fn front(state: State) -> Front {
    let (v2, v1b) = match state {
        State::SilentCopies => {
            let silent = Router::new().fallback(async || pending::<Infallible>().await);
            (serve(silent.clone()).await, serve(silent).await)
        }
        State::NoCopies => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let closed = listener.local_addr().unwrap();
            (closed, closed)
        }
        _ => (serve(app("v2")).await, serve(app("v1")).await),
    };
    let target = |address| HttpTarget::new(&format!("http://{address}")).unwrap();
    let compare = match state {
        State::Alone => Compare::alone(),
        _ => Compare::with_baseline(target(v1b)),
    };
    let compare = match state {
        State::FullBudget => compare.max_held_bytes(0),
        _ => compare,
    };
    let mirror = MirrorLayer::builder(target(v2)).timeout(Duration::from_secs(1));
    let layer = compare.warm_up(0).duty(1.0).layer(mirror).unwrap();
    let handle = layer.handle();
    let (dead, blocked) = mpsc::channel();
    if state == State::DeadComparer {
        let blocked = Mutex::new(blocked);
        handle.on_difference(move |_: &DifferenceReport| {
            let _ = blocked.lock().unwrap().recv();
        });
    }
    Front {
        address: serve(app("v1").layer(layer.clone())).await,
        handle,
        layer,
        _dead: dead,
    }
}

/// The head, without `date`, and the body byte for byte: all that an HTTP/1.1 client sees.
async fn http1(address: SocketAddr, request: &str, most: usize) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while seen.len() < most {
        match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(read) => seen.extend_from_slice(&buffer[..read]),
            Err(error) => panic!("{error}"),
        }
    }
    seen.truncate(most);
    let end = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = seen.split_off(end.expect("a head") + 4);
    let head = String::from_utf8(seen).unwrap();
    let lines = head.lines().filter(|line| !line.starts_with("date:"));
    (lines.collect::<Vec<_>>().join("\n"), body)
}

fn request(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: shop\r\n{more}connection: close\r\n\r\n")
}

const ALL: usize = usize::MAX;
/// A part of an answer without end.
const PART: usize = 1 << 20;

/// `(request, most bytes that are read)`
fn requests() -> Vec<(String, usize)> {
    vec![
        (request("GET", "/json", ""), ALL),
        (request("HEAD", "/json", ""), ALL),
        (request("GET", "/empty", ""), ALL),
        (request("GET", "/tagged", ""), ALL),
        (request("GET", "/tagged", "if-none-match: \"1\"\r\n"), ALL),
        (request("GET", "/trailers", "te: trailers\r\n"), ALL),
        (request("GET", "/cut", ""), ALL),
        (request("GET", "/endless", ""), PART),
        (request("GET", "/hanging", ""), CHUNK),
        (request("GET", "/missing", ""), ALL),
        (request("OPTIONS", "/json", ""), ALL),
        (
            "POST /json HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nnew"
                .into(),
            ALL,
        ),
    ]
}

#[tokio::test]
async fn an_http1_client_notices_nothing() {
    timeout(HANG, async {
        let plain = serve(app("v1")).await;
        for state in STATES {
            let front = front(state).await;
            for (request, most) in requests() {
                let expected = http1(plain, &request, most).await;
                let seen = http1(front.address, &request, most).await;
                assert_eq!(seen.0, expected.0, "{state:?}: {request}");
                assert!(seen.1 == expected.1, "{state:?}: the body of {request}");
            }
            if state == State::Healthy {
                front.layer.mirror().wait_idle().await;
                let report = front.handle.report();
                assert!(report.compared > 0, "{report}");
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_upgraded_connection_works_as_before() {
    timeout(HANG, async {
        let plain = serve(app("v1")).await;
        let offer =
            "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nping";
        let expected = http1(plain, offer, ALL).await;
        assert!(
            expected.0.contains("101") && expected.1 == b"ping",
            "{expected:?}"
        );
        for state in STATES {
            let front = front(state).await;
            assert_eq!(
                http1(front.address, offer, ALL).await,
                expected,
                "{state:?}"
            );
        }
    })
    .await
    .unwrap();
}

/// What an HTTP/2 client sees: the head, the body, the trailers, or the error.
async fn http2(address: SocketAddr, method: Method, path: &str) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let (mut head, mut body) = answer.into_parts();
    head.headers.remove("date");
    let mut seen = format!("{} {:?}\n", head.status, head.headers);
    let (mut length, mut sum) = (0usize, 0u64);
    while let Some(frame) = body.frame().await {
        match frame {
            Err(error) => {
                seen.push_str(&format!("\n{error}"));
                break;
            }
            Ok(frame) => match frame.into_data() {
                Ok(data) => {
                    length += data.len();
                    sum = data.iter().fold(sum, |sum, byte| {
                        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
                    });
                    if path == "/endless" && length > PART {
                        return seen;
                    }
                }
                Err(frame) => seen.push_str(&format!("\n{:?}", frame.into_trailers().unwrap())),
            },
        }
    }
    format!("{seen}\n{length} bytes, sum {sum}")
}

#[tokio::test]
async fn an_http2_client_notices_nothing() {
    timeout(HANG, async {
        let plain = serve(app("v1")).await;
        for state in STATES {
            let front = front(state).await;
            let paths = [
                "/json",
                "/empty",
                "/tagged",
                "/trailers",
                "/cut",
                "/endless",
                "/missing",
            ];
            let gets = paths.map(|path| (Method::GET, path));
            for (method, path) in gets.into_iter().chain([(Method::HEAD, "/json")]) {
                let expected = http2(plain, method.clone(), path).await;
                let seen = http2(front.address, method, path).await;
                assert_eq!(seen, expected, "{state:?}: {path}");
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_answer_of_100_mb_passes_unchanged_and_is_not_held() {
    timeout(HANG, async {
        let plain = serve(app("v1")).await;
        let front = front(State::Healthy).await;
        let most = Arc::new(AtomicUsize::new(0));
        let expected = http1(plain, &request("GET", "/large", ""), ALL).await;
        assert!(expected.1.len() > LARGE);
        let (watched, handle) = (Arc::clone(&most), front.handle.clone());
        let watching = tokio::spawn(async move {
            loop {
                watched.fetch_max(handle.held_bytes(), Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let seen = http1(front.address, &request("GET", "/large", ""), ALL).await;
        watching.abort();
        assert!(seen == expected);
        // Three answers of at most 256 KiB, each counted up to twice.
        assert!(
            most.load(Relaxed) <= 3 * (512 << 10) + (64 << 10),
            "{most:?}"
        );
        let seen = http2(front.address, Method::GET, "/large").await;
        assert_eq!(seen, http2(plain, Method::GET, "/large").await);
    })
    .await
    .unwrap();
}
