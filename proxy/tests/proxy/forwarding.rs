//! A proxy without a shadow and without subsets.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::TcpListener;

use crate::{
    child::Proxy,
    client::{Client, get, raw},
    upstream::Upstream,
};

#[tokio::test]
async fn passes_requests_and_answers_on() {
    let mut primary = Upstream::answering(async |seen| {
        let answer = Response::builder().status(201).header("x-answer", "42");
        answer.body(Full::new(seen.body)).unwrap()
    })
    .await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;

    let request = Request::post(proxy.url("/items/7?sort=up&x=%20"))
        .header("host", "catalog:8000")
        .header("x-question", "6 x 7");
    let body = Bytes::from(vec![b'x'; 300_000]);
    let request = request.body(Full::new(body.clone())).unwrap();
    let answer = Client::http1().send(request).await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["x-answer"], "42");
    assert_eq!(answer.body, body);
    let seen = primary.seen().await;
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.uri, "/items/7?sort=up&x=%20");
    assert_eq!(seen.host(), "catalog:8000");
    assert_eq!(seen.headers["x-question"], "6 x 7");
    assert_eq!(seen.headers["content-length"], "300000");
    assert!(!seen.headers.contains_key("x-mirrored-by"));
    assert_eq!(seen.body, body);
}

#[tokio::test]
async fn a_head_answer_keeps_its_length() {
    let primary = Upstream::answering(async |_| Response::new(Full::from("four"))).await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = raw(proxy.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 4\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_primary_that_is_down_is_a_502_of_one_line() {
    let primary = Upstream::echo().await;
    let url = primary.url();
    primary.kill().await;
    let proxy = Proxy::start(&["--primary", &url]).await;

    let answer = get(&proxy.url("/")).await;
    assert_eq!(answer.status, 502);
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        text.starts_with("no answer from the primary: cannot connect "),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.ends_with('\n'), "{text}");
}

#[tokio::test]
async fn a_primary_that_breaks_off_is_a_502_of_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let closing = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let proxy = Proxy::start(&["--primary", &url]).await;

    let answer = get(&proxy.url("/")).await;
    assert_eq!(answer.status, 502);
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(text.starts_with("no answer from the primary: "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    closing.abort();
}

#[tokio::test]
async fn what_cannot_be_forwarded_exactly_is_refused() {
    let primary = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for (line, fields, body, reason) in [
        ("CONNECT example:443", "", "", "does not serve CONNECT"),
        (
            "POST /",
            "Transfer-Encoding: gzip, chunked\r\n",
            body,
            "knows no transfer coding",
        ),
        (
            "POST /",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            body,
            "knows no transfer coding",
        ),
    ] {
        let request =
            format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n{body}");
        let answer = raw(proxy.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.contains(reason), "{answer}");
        assert_eq!(body.lines().count(), 1, "{answer}");
    }
    assert_eq!(primary.unread(), 0);
}

/// Java's client and `curl --http2` offer h2c with every request. A server may ignore it (RFC 9110, section 7.8), and the
/// proxy would see nothing of the requests that came after it.
#[tokio::test]
async fn an_offer_that_would_hide_requests_is_not_passed_on_and_the_request_is_served() {
    let mut primary = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;
    for offer in ["h2c", "websocket, H2C", "TLS/1.2", "HTTP/2.0"] {
        let request = format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings, close\r\n\
             Upgrade: {offer}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        );
        let answer = raw(proxy.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let seen = primary.seen().await;
        assert_eq!(seen.uri, "/a");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_are_framed() {
    let mut primary = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;
    let chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n";
    for method in ["GET", "POST", "DELETE"] {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
             Trailer: x-sum\r\n\r\n{chunks}x-sum: 11\r\n\r\n"
        );
        let answer = raw(proxy.address, &request).await;
        assert!(answer.ends_with("\r\n\r\nhello world"), "{answer}");
        let seen = primary.seen().await;
        assert_eq!(seen.method, method);
        assert_eq!(seen.body, "hello world");
        assert_eq!(seen.headers["trailer"], "x-sum");
        assert_eq!(seen.trailers.unwrap()["x-sum"], "11");

        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
        );
        raw(proxy.address, &request).await;
        let seen = primary.seen().await;
        assert_eq!(seen.body, "hello");
        assert_eq!(seen.headers["content-length"], "5");
    }
}
