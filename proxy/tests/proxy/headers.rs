//! Headers that are meant for one connection.

use http::Response;
use http_body_util::Full;

use crate::{
    child::Proxy,
    client::{get, raw},
    upstream::Upstream,
};

const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-private",
];

#[tokio::test]
async fn of_requests_do_not_reach_primary_or_shadow() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;

    // Host cannot be named away; one odd character hides nothing beside it.
    let request = "POST / HTTP/1.1\r\nHost: catalog\r\nConnection: host, X-Private ,close\r\n\
                   Connection: x-also\r\nX-Private: 1\r\nX-Private: 2\r\nX-Also: 3\r\n\
                   Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n\
                   Transfer-Encoding: chunked\r\nTrailer: x-sum\r\nX-Public: 4\r\n\r\n\
                   2\r\nhi\r\n0\r\n\r\n";
    let answer = raw(proxy.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let seen = primary.seen().await;
    for name in HOP_BY_HOP.into_iter().chain(["x-also"]) {
        // What the proxy's own connection to the primary needs.
        if name == "transfer-encoding" {
            continue;
        }
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert_eq!(seen.headers["x-public"], "4");
    assert_eq!(seen.headers["trailer"], "x-sum");
    assert_eq!(seen.host(), "catalog");
    assert_eq!(seen.body, "hi");

    let copy = shadow.seen().await;
    for name in HOP_BY_HOP.into_iter().chain(["x-also"]) {
        assert!(!copy.headers.contains_key(name), "{name}");
    }
    assert_eq!(copy.headers["x-public"], "4");
    assert_eq!(copy.body, "hi");
}

#[tokio::test]
async fn of_answers_do_not_reach_the_client() {
    let primary = Upstream::answering(async |_| {
        Response::builder()
            .header("connection", "x-private")
            .header("x-private", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("te", "gzip")
            .header("upgrade", "h2c")
            .header("transfer-encoding", "chunked")
            .header("trailer", "x-sum")
            .header("x-public", "4")
            .body(Full::from("hi"))
            .unwrap()
    })
    .await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;

    let answer = get(&proxy.url("/")).await;
    for name in HOP_BY_HOP {
        // What the proxy's own connection to the client needs.
        if name == "transfer-encoding" {
            continue;
        }
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    assert_eq!(answer.headers["x-public"], "4");
    assert_eq!(answer.headers["trailer"], "x-sum");
    assert_eq!(answer.body, "hi");

    // This one takes no chunks.
    let answer = raw(proxy.address, "GET / HTTP/1.0\r\nHost: catalog\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
}

/// If a request has two lengths, the primary must not use the other one.
#[tokio::test]
async fn a_length_beside_a_transfer_coding_is_dropped() {
    let mut primary = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let answer = raw(proxy.address, request).await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let seen = primary.seen().await;
    assert!(!seen.headers.contains_key("content-length"));
    assert_eq!(seen.body, "hello");
}
