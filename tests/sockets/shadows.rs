//! Shadows with faults, over real sockets: the client notices nothing, the outcome is correct, and
//! no task, byte or socket remains.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::Request as AxumRequest,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::yield_now,
    time::timeout,
};
use tower_mirror::{HttpTarget, MirrorHandle, MirrorLayer, Outcome, SampleRate};
use tower_mirror_testing::net::{HANG, listen, serve};

fn app() -> Router {
    Router::new()
        .route("/", get(async || "primary"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/refuse", post(async || StatusCode::UNAUTHORIZED))
}

/// The behaviour of a raw shadow on each connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Reads, and never answers.
    Hung,
    /// Resets the connection after the first bytes.
    Resetting,
    /// Never reads.
    NeverReading,
    /// Sends a response that never ends.
    Endless,
    /// Answers with bytes that are not HTTP.
    Garbage,
    /// Answers, and closes the connection in the middle of the body.
    CutShort,
}

/// A server that runs until it is dropped. It sends one message for each connection that has
/// closed.
async fn bad_shadow(fault: Fault) -> (SocketAddr, UnboundedReceiver<()>) {
    let (listener, address) = listen().await;
    let (gone, closed) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let gone = gone.clone();
            tokio::spawn(async move {
                let _ = misbehave(stream, fault).await;
                let _ = gone.send(());
            });
        }
    });
    (address, closed)
}

async fn misbehave(mut stream: TcpStream, fault: Fault) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    match fault {
        Fault::Hung => while stream.read(&mut buffer).await? > 0 {},
        Fault::Resetting => {
            let _request = stream.read(&mut buffer).await?;
            stream.set_zero_linger()?;
        }
        Fault::NeverReading => {
            // The result is an error, or the end of the written bytes, when the peer has closed the
            // connection.
            while !stream.ready(tokio::io::Interest::ERROR).await?.is_error() {}
        }
        Fault::Endless => {
            let _request = stream.read(&mut buffer).await?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await?;
            loop {
                stream.write_all(b"4\r\nmore\r\n").await?;
            }
        }
        Fault::Garbage => {
            let _request = stream.read(&mut buffer).await?;
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await?;
            while stream.read(&mut buffer).await? > 0 {}
        }
        Fault::CutShort => {
            let _request = stream.read(&mut buffer).await?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                .await?;
        }
    }
    Ok(())
}

/// Writes `sent`, and reads until the server has answered `answers` requests or closed the
/// connection. Except for `date`, the result is everything that a client can see of a connection.
async fn transcript(address: SocketAddr, sent: &[&[u8]], until: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut seen = Vec::new();
    for part in sent {
        if stream.write_all(part).await.is_err() {
            break; // the server has closed
        }
        yield_now().await;
    }
    let mut buffer = [0; 4096];
    let end = loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break "closed",
            Ok(read) => seen.extend_from_slice(&buffer[..read]),
            Err(_) => break "closed", // the close of a server with unread bytes in its buffer is a reset
        }
        if seen.windows(until.len()).any(|window| window == until) {
            break "open";
        }
    };
    let text = String::from_utf8(seen).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("date:"));
    format!("{}\n{end}", lines.collect::<Vec<_>>().join("\n"))
}

/// A mirror over HTTP. Its timeouts are so long that a busy machine does not change an outcome.
fn mirror(shadow: SocketAddr, http2: bool) -> (MirrorLayer, HttpTarget) {
    mirror_within([HANG, HANG], shadow, http2)
}

/// The timeouts of a write and of a copy, for a shadow whose copies end only at a deadline.
const SHORT: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(300)];

fn mirror_within(
    [write_timeout, copy_timeout]: [Duration; 2],
    shadow: SocketAddr,
    http2: bool,
) -> (MirrorLayer, HttpTarget) {
    let target = HttpTarget::builder(format!("http://{shadow}"));
    let target = if http2 { target.http2() } else { target };
    let target = target.write_timeout(write_timeout).build().unwrap();
    let layer = MirrorLayer::builder(target.clone())
        .max_body_bytes(64 << 20)
        .max_buffered_bytes(256 << 20)
        .timeout(copy_timeout)
        .build();
    (layer, target)
}

/// Waits for events, and without a timer, until the target has no socket and the runtime has only
/// `tasks` tasks.
async fn nothing_is_left(handle: &MirrorHandle, target: &HttpTarget, tasks: usize) {
    let gone = async {
        handle.wait_idle().await;
        while target.connections() > 0 || Handle::current().metrics().num_alive_tasks() > tasks {
            yield_now().await;
        }
    };
    if timeout(HANG, gone).await.is_err() {
        let alive = Handle::current().metrics().num_alive_tasks();
        panic!(
            "{} sockets, {alive} tasks, {tasks} before",
            target.connections()
        );
    }
    assert_eq!(handle.stats().buffered_bytes(), 0);
    assert_eq!(handle.stats().in_flight(), 0);
}

const SMALL: &[u8] = b"POST /echo HTTP/1.1\r\nhost: catalog\r\ncontent-length: 5\r\n\r\nhello\
    GET / HTTP/1.1\r\nhost: catalog\r\n\r\n";

async fn costs_nothing(fault: Fault, expected: Outcome) {
    let bare = serve(app()).await;
    let without = transcript(bare, &[SMALL], b"primary").await;

    let (shadow, mut closed) = bad_shadow(fault).await;
    let timeouts = match expected {
        Outcome::TimedOut => SHORT,
        _ => [HANG, HANG],
    };
    let (layer, target) = mirror_within(timeouts, shadow, false);
    let handle = layer.handle();
    let address = serve(app().layer(layer)).await;
    let before = Handle::current().metrics().num_alive_tasks();
    let with = transcript(address, &[SMALL], b"primary").await;
    assert_eq!(with, without);

    timeout(HANG, handle.wait_idle()).await.unwrap();
    let stats = handle.stats();
    assert_eq!(stats.outcome(expected), 2, "{stats}");
    // Each of the two copies had its own connection, which is closed now.
    for _ in 0..2 {
        timeout(HANG, closed.recv()).await.unwrap().unwrap();
    }
    nothing_is_left(&handle, &target, before).await;
}

#[tokio::test]
async fn a_hung_shadow() {
    costs_nothing(Fault::Hung, Outcome::TimedOut).await;
}

#[tokio::test]
async fn a_resetting_shadow() {
    costs_nothing(Fault::Resetting, Outcome::FailedTransport).await;
}

#[tokio::test]
async fn a_shadow_that_answers_without_end() {
    let (shadow, mut closed) = bad_shadow(Fault::Endless).await;
    let (layer, target) = mirror(shadow, false);
    let handle = layer.handle();
    let address = serve(app().layer(layer)).await;
    let before = Handle::current().metrics().num_alive_tasks();
    transcript(address, &[SMALL], b"primary").await;
    timeout(HANG, handle.wait_idle()).await.unwrap();
    let stats = handle.stats();
    let ends = stats.outcome(Outcome::CompletedTruncated) + stats.outcome(Outcome::TimedOut);
    assert_eq!(ends, 2, "{stats}");
    for _ in 0..2 {
        timeout(HANG, closed.recv()).await.unwrap().unwrap();
    }
    nothing_is_left(&handle, &target, before).await;
}

#[tokio::test]
async fn a_shadow_that_answers_garbage() {
    costs_nothing(Fault::Garbage, Outcome::FailedTransport).await;
}

#[tokio::test]
async fn a_shadow_that_cuts_its_answer_short() {
    costs_nothing(Fault::CutShort, Outcome::FailedTransport).await;
}

#[tokio::test]
async fn a_refusing_shadow() {
    let bare = serve(app()).await;
    let without = transcript(bare, &[SMALL], b"primary").await;
    let (listener, shadow) = listen().await;
    drop(listener);
    let (layer, target) = mirror(shadow, false);
    let handle = layer.handle();
    let address = serve(app().layer(layer)).await;
    let before = Handle::current().metrics().num_alive_tasks();
    assert_eq!(transcript(address, &[SMALL], b"primary").await, without);
    handle.wait_idle().await;
    assert_eq!(
        handle.stats().outcome(Outcome::FailedConnect),
        2,
        "{}",
        handle.stats()
    );
    nothing_is_left(&handle, &target, before).await;
}

/// These are Envoy's cases 21 and 22 with the opposite result: in Envoy, a full connection to the
/// shadow pauses the client.
#[tokio::test]
async fn a_shadow_that_never_reads_with_a_full_window() {
    let (shadow, mut closed) = bad_shadow(Fault::NeverReading).await;
    let (layer, target) = mirror_within(SHORT, shadow, false);
    let handle = layer.handle();
    let address = serve(
        app()
            .layer(axum::extract::DefaultBodyLimit::disable())
            .layer(layer),
    )
    .await;
    let before = Handle::current().metrics().num_alive_tasks();

    let body = vec![b'x'; 32 << 20];
    let (status, echoed) = http1(address, Request::post("/echo"), Full::from(body.clone())).await;
    assert_eq!(status, StatusCode::OK);
    assert!(echoed == body, "the primary's answer differs");

    timeout(HANG, handle.wait_idle()).await.unwrap();
    let stats = handle.stats();
    assert_eq!(
        stats.outcome(Outcome::TimedOut) + stats.outcome(Outcome::FailedTransport),
        1,
        "{stats}"
    );
    assert_eq!(stats.buffered_bytes(), 0, "the frames were not revoked");
    timeout(HANG, closed.recv()).await.unwrap().unwrap();
    nothing_is_left(&handle, &target, before).await;
}

/// Sends one request over a new connection.
async fn http1(
    address: SocketAddr,
    request: http::request::Builder,
    body: Full<Bytes>,
) -> (StatusCode, Bytes) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = request.header("host", "catalog").body(body).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    (status, body)
}

/// Each row has the pieces that the client sends to a primary that refuses without reading.
#[tokio::test]
async fn an_unread_body_has_no_copy_and_the_connection_lives_as_without_the_layer() {
    const NEXT: &[u8] = b"GET / HTTP/1.1\r\nhost: catalog\r\n\r\n";
    let head = |framing: &str| {
        format!("POST /refuse HTTP/1.1\r\nhost: catalog\r\n{framing}\r\n\r\n").into_bytes()
    };
    let large = vec![b'x'; 1 << 20];
    let rows: [(&str, Vec<Vec<u8>>); 3] = [
        ("large", vec![head("content-length: 1048576"), large]),
        (
            "chunked without end",
            vec![head("transfer-encoding: chunked"), b"1\r\nx\r\n".to_vec()],
        ),
        (
            "client waits for 100",
            vec![head("content-length: 100\r\nexpect: 100-continue")],
        ),
    ];
    for (name, pieces) in rows {
        let bare = serve(app()).await;
        let (shadow, _closed) = bad_shadow(Fault::Hung).await;
        let (layer, _target) = mirror(shadow, false);
        let handle = layer.handle();
        let mirrored = serve(app().layer(layer)).await;

        let mut sent: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        sent.push(NEXT);
        let without = timeout(HANG, transcript(bare, &sent, b"primary"))
            .await
            .unwrap();
        let with = timeout(HANG, transcript(mirrored, &sent, b"primary"))
            .await
            .unwrap();
        assert_eq!(with, without, "{name}");
        assert!(with.ends_with("closed"), "{name}: {with}");
        handle.wait_idle().await;
        let stats = handle.stats();
        assert_eq!(stats.outcome(Outcome::Unread), 1, "{name}: {stats}");
        assert_eq!(stats.buffered_bytes(), 0, "{name}");
    }
}

#[tokio::test]
async fn an_unread_http2_upload_is_reset_at_once() {
    let (shadow, _closed) = bad_shadow(Fault::Hung).await;
    let (layer, _target) = mirror(shadow, false);
    let handle = layer.handle();
    for address in [serve(app()).await, serve(app().layer(layer)).await] {
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let request = Request::post("http://catalog/refuse").body(()).unwrap();
        let (answer, mut upload) = client.send_request(request, false).unwrap();
        upload
            .send_data(Bytes::from_static(b"begun, never ended"), false)
            .unwrap();
        assert_eq!(answer.await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let reset = timeout(HANG, std::future::poll_fn(|cx| upload.poll_reset(cx))).await;
        assert_eq!(reset.unwrap().unwrap(), h2::Reason::NO_ERROR);
    }
    handle.wait_idle().await;
    assert_eq!(
        handle.stats().outcome(Outcome::Unread),
        1,
        "{}",
        handle.stats()
    );
}

#[tokio::test]
async fn an_upload_that_breaks_off_has_no_copy() {
    let (shadow, _closed) = bad_shadow(Fault::Hung).await;
    let (layer, target) = mirror(shadow, false);
    let handle = layer.handle();
    let address = serve(app().layer(layer)).await;
    let before = Handle::current().metrics().num_alive_tasks();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf")
        .await
        .unwrap();
    while handle.stats().admitted() == 0 {
        yield_now().await;
    }
    drop(stream);
    timeout(HANG, handle.wait_idle()).await.unwrap();
    let stats = handle.stats();
    let aborted = stats.outcome(Outcome::ClientAborted) + stats.outcome(Outcome::BodyError);
    assert_eq!(aborted, 1, "{stats}");
    nothing_is_left(&handle, &target, before).await;
}

/// All pairs of protocols, on the primary's side and on the shadow's side.
#[tokio::test]
async fn http1_and_http2_on_both_sides() {
    for (front, behind) in [(false, false), (false, true), (true, false), (true, true)] {
        let (received, mut copies) = unbounded_channel();
        let shadow = serve(Router::new().fallback(async move |request: AxumRequest| {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            received.send((head, body)).unwrap();
        }))
        .await;
        let (layer, target) = mirror(shadow, behind);
        let handle = layer.handle();
        let address = serve(app().layer(layer)).await;

        let body = Bytes::from(vec![b'x'; 100_000]);
        if front {
            let stream = TcpStream::connect(address).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let request = Request::post("http://catalog/echo?q=1")
                .body(Full::new(body.clone()))
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
        } else {
            let answer = http1(address, Request::post("/echo?q=1"), Full::new(body.clone())).await;
            assert_eq!(answer, (StatusCode::OK, body.clone()));
        }

        timeout(HANG, handle.wait_idle()).await.unwrap();
        let stats = handle.stats();
        assert_eq!(
            stats.outcome(Outcome::Completed),
            1,
            "{front} {behind}: {stats}"
        );
        let (head, copy) = copies.recv().await.unwrap();
        assert!(copy == body, "{front} {behind}: the copy differs");
        assert_eq!(head.uri.path_and_query().unwrap(), "/echo?q=1");
        let host = match behind {
            true => head.uri.authority().unwrap().as_str(),
            false => head.headers["host"].to_str().unwrap(),
        };
        assert_eq!(host, "catalog-shadow", "{front} {behind}");
        assert_eq!(head.headers["content-length"], "100000");
        assert_eq!(target.connections(), 1);
    }
}

/// Passes the requests that it receives to the test, including trailers.
async fn collecting() -> (
    SocketAddr,
    UnboundedReceiver<http_body_util::Collected<Bytes>>,
) {
    let (received, copies) = unbounded_channel();
    let app = Router::new().fallback(async move |request: AxumRequest| {
        received
            .send(request.into_body().collect().await.unwrap())
            .unwrap();
    });
    (serve(app).await, copies)
}

/// The primary is a hyper client, which does not poll a body after its trailers. Over HTTP/1.1, the
/// body of a `GET` is sent only if a header announces it.
#[tokio::test]
async fn trailers_arrive_on_both_sides_over_both_protocols() {
    use http::{HeaderMap, HeaderValue, Method};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tower::{Layer, ServiceExt};

    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("abc"));
    for (method, http2) in [
        (Method::POST, false),
        (Method::POST, true),
        (Method::GET, false),
        (Method::GET, true),
    ] {
        let case = format!("{method}, http2: {http2}");
        let (primary, mut originals) = collecting().await;
        let (shadow, mut copies) = collecting().await;
        let primary = HttpTarget::new(&format!("http://{primary}")).unwrap();
        let (layer, _target) = mirror(shadow, http2);
        let frames = [
            Ok::<_, io::Error>(Frame::data(Bytes::from_static(b"hello"))),
            Ok(Frame::trailers(trailers.clone())),
        ];
        let request = Request::builder()
            .method(method)
            .header("host", "catalog")
            .header("trailer", "x-checksum")
            .body(StreamBody::new(futures_util::stream::iter(frames)))
            .unwrap();
        layer.layer(primary).oneshot(request).await.unwrap();
        timeout(HANG, layer.handle().wait_idle()).await.unwrap();
        let stats = layer.handle().stats();
        assert_eq!(stats.outcome(Outcome::Completed), 1, "{case}: {stats}");

        for received in [
            originals.recv().await.unwrap(),
            copies.recv().await.unwrap(),
        ] {
            assert_eq!(received.trailers(), Some(&trailers), "{case}");
            assert_eq!(received.to_bytes(), "hello", "{case}");
        }
    }
}

#[tokio::test]
async fn cookies_that_http2_split_are_one_field_over_http1() {
    let (received, mut copies) = unbounded_channel();
    let shadow = serve(Router::new().fallback(async move |request: AxumRequest| {
        received.send(request.into_parts().0.headers).unwrap();
    }))
    .await;
    let (layer, _target) = mirror(shadow, false);
    let handle = layer.handle();
    let address = serve(app().layer(layer)).await;
    let request = Request::get("/")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    http1(address, request, Full::default()).await;
    handle.wait_idle().await;
    let headers = copies.recv().await.unwrap();
    let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2"]);
}

#[tokio::test]
async fn five_hundred_hosts_share_one_pool() {
    for http2 in [false, true] {
        let (received, mut hosts) = unbounded_channel();
        let shadow = serve(Router::new().fallback(async move |request: AxumRequest| {
            let host = match request.uri().authority() {
                Some(authority) => authority.to_string(),
                None => request.headers()["host"].to_str().unwrap().to_owned(),
            };
            received.send(host).unwrap();
        }))
        .await;
        let (layer, target) = mirror(shadow, http2);
        let handle = layer.handle();
        let address = serve(app().layer(layer)).await;
        for n in 0..500 {
            let request =
                format!("GET / HTTP/1.1\r\nhost: tenant{n}.example\r\nconnection: close\r\n\r\n");
            let seen = transcript(address, &[request.as_bytes()], b"never").await;
            assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
            handle.wait_idle().await;
            assert_eq!(
                hosts.recv().await.unwrap(),
                format!("tenant{n}.example-shadow")
            );
            assert_eq!(target.connections(), 1, "http2: {http2}");
        }
        assert_eq!(handle.stats().outcome(Outcome::Completed), 500);
    }
}

#[tokio::test]
async fn a_shadow_that_comes_back_is_found_again() {
    let (listener, shadow) = listen().await;
    drop(listener);
    let (layer, _target) = mirror(shadow, false);
    let handle = layer.handle();
    let address = serve(app().layer(layer)).await;
    assert_eq!(
        http1(address, Request::get("/"), Full::default()).await.0,
        StatusCode::OK
    );
    handle.wait_idle().await;
    assert_eq!(handle.stats().outcome(Outcome::FailedConnect), 1);

    let listener = TcpListener::bind(shadow).await.unwrap();
    tokio::spawn(axum::serve(listener, app()).into_future());
    assert_eq!(
        http1(address, Request::get("/"), Full::default()).await.0,
        StatusCode::OK
    );
    handle.wait_idle().await;
    assert_eq!(handle.stats().outcome(Outcome::Completed), 1);
    handle.set_sample_rate(SampleRate::NONE);
    assert_eq!(
        http1(address, Request::get("/"), Full::default()).await.0,
        StatusCode::OK
    );
    assert_eq!(handle.stats().outcome(Outcome::NotSampled), 1);
}
