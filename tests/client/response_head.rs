//! Large heads of responses: what an `HttpTarget` receives by default, where its limit is, and what happens above it.

use std::{convert::Infallible, fmt::Write, future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_mirror::{
    HttpTarget, MirrorLayer, Outcome,
    client::{Error, ResponseBody},
};

/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(60);

async fn within<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(HANG, waiting).await.expect("it hangs")
}

/// Answers each request with the fields that its path asks for: `/<fields>/<bytes of each value>`.
async fn server(is_http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match is_http2 {
                true => drop(tokio::spawn(http2(stream))),
                false => drop(tokio::spawn(http1(stream))),
            }
        }
    });
    address
}

fn asked(path: &str) -> (usize, usize) {
    let (fields, bytes) = path.trim_matches('/').split_once('/').unwrap();
    (fields.parse().unwrap(), bytes.parse().unwrap())
}

async fn http1(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let (fields, bytes) = asked(head.split(' ').nth(1).unwrap());
        let mut answer = "HTTP/1.1 200 OK\r\n".to_owned();
        for field in 0..fields {
            let _ = write!(answer, "x{field:04}: {}\r\n", "v".repeat(bytes));
        }
        answer.push_str("content-length: 5\r\n\r\nwhole");
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn http2(stream: TcpStream) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let (fields, bytes) = asked(request.uri().path());
        let mut headers = HeaderMap::new();
        for field in 0..fields {
            let name: http::HeaderName = format!("x{field:04}").parse().unwrap();
            headers.insert(name, HeaderValue::from_str(&"v".repeat(bytes)).unwrap());
        }
        headers.insert("content-length", HeaderValue::from_static("5"));
        let mut answer = Response::new(());
        *answer.headers_mut() = headers;
        let mut body = respond.send_response(answer, false)?;
        body.send_data(Bytes::from("whole"), true)?;
    }
    Ok(())
}

/// What such a head counts, `content-length` included.
const fn size(fields: usize, bytes: usize) -> usize {
    fields * (5 + bytes + 32) + 14 + 1 + 32
}

async fn ask(
    target: &HttpTarget,
    fields: usize,
    bytes: usize,
) -> Result<Response<ResponseBody>, Error> {
    let request = Request::get(format!("/{fields}/{bytes}"));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    within(target.clone().oneshot(request)).await
}

async fn is_whole(answer: Result<Response<ResponseBody>, Error>, fields: usize) {
    let answer = answer.unwrap();
    assert_eq!(answer.headers().len(), fields + 1);
    let body = within(answer.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "whole");
}

async fn targets(limit: usize) -> [HttpTarget; 2] {
    let builder = |address| HttpTarget::builder(format!("http://{address}"));
    [
        builder(server(false).await),
        builder(server(true).await).http2(),
    ]
    .map(|target| target.max_response_head_bytes(limit).build().unwrap())
}

#[tokio::test]
async fn heads_arrive_that_the_legacy_client_refuses() {
    let mut refused = 0;
    for is_http2 in [false, true] {
        let address = server(is_http2).await;
        let target = HttpTarget::builder(format!("http://{address}"));
        let target = if is_http2 { target.http2() } else { target };
        let target = target.build().unwrap();
        let mut legacy = legacy::Client::builder(TokioExecutor::new());
        let legacy = legacy.http2_only(is_http2).build_http();
        for (fields, bytes) in [(1, 17_000), (110, 1), (1, 60_000), (1000, 20)] {
            is_whole(ask(&target, fields, bytes).await, fields).await;
            let request = Request::get(format!("http://{address}/{fields}/{bytes}"));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            refused += usize::from(within(legacy.request(request)).await.is_err());
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn the_limit_is_the_same_over_both_versions() {
    for limit in [8 * 1024, 64 * 1024, 600 * 1024] {
        for target in targets(limit).await {
            // One field of this length is exactly at the limit.
            let bytes = limit - size(1, 0);
            is_whole(ask(&target, 1, bytes).await, 1).await;
            for (fields, bytes) in [(1, bytes + 1), (1, 2 * limit), (limit / 38, 1)] {
                let error = ask(&target, fields, bytes).await.unwrap_err();
                assert!(error.is_response_head(), "{fields} of {bytes}: {error:?}");
                assert!(!error.is_transport() && !error.is_connect() && !error.is_request());
                // The next one is as good as ever.
                is_whole(ask(&target, 1, 1).await, 1).await;
            }
        }
    }
}

/// Over HTTP/2 a head that is much larger cannot be distinguished from a malformed one, and does not stay in memory.
#[tokio::test]
async fn a_head_far_above_the_limit_is_refused_as_it_comes_in() {
    let [http1, http2] = targets(64 * 1024).await;
    for bytes in [300_000, 1_200_000] {
        let error = ask(&http1, 1, bytes).await.unwrap_err();
        assert!(error.is_response_head(), "{error:?}");
        let error = ask(&http2, 1, bytes).await.unwrap_err();
        assert!(error.is_transport(), "{error:?}");
        for target in [&http1, &http2] {
            is_whole(ask(target, 1, 1).await, 1).await;
        }
    }
}

#[tokio::test]
async fn a_copy_with_such_a_response_has_an_outcome_of_its_own() {
    for shadow in targets(64 * 1024).await {
        let mirror = MirrorLayer::new(shadow);
        let primary = service_fn(async |_: Request<_>| {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let service = mirror.layer(primary);
        for path in ["/1/70000", "/2000/1", "/1/1000"] {
            let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
        within(mirror.handle().wait_idle()).await;
        let stats = mirror.handle().stats();
        assert_eq!(stats.outcome(Outcome::ResponseHeadTooLarge), 2, "{stats}");
        assert_eq!(stats.outcome(Outcome::Completed), 1, "{stats}");
    }
}
