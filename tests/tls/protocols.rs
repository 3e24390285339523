//! The version of HTTP that is used, and the number of connections.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use http::{Request, Version, header::HOST};
use http_body_util::{BodyExt, Empty, Full};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::{Service, ServiceExt};
use tower_mirror::client::{HttpTarget, Tls};

use super::{
    all_closed,
    certificates::{Authority, NAME},
    get, io_error, send,
    server::{BOTH, HTTP1, HTTP2, believing, config, named},
    version, within,
};

#[tokio::test]
async fn the_server_selects_the_version() {
    for (protocols, expected) in [
        (BOTH, Version::HTTP_2),
        (HTTP2, Version::HTTP_2),
        (HTTP1, Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let (server, tls) = named(protocols).await;
        let target = server.target(tls);
        for _ in 0..3 {
            assert_eq!(version(&target).await, expected, "{protocols:?}");
        }
        assert_eq!(server.accepted(), 1, "{protocols:?}");
        assert_eq!(target.connections(), 1);
        let seen = server.app.seen();
        assert_eq!(seen[0].0.version, expected);
        match expected {
            Version::HTTP_2 => {
                let uri = format!("https://{}/a?b=c", server.address);
                assert_eq!(seen[0].0.uri, *uri);
            }
            _ => {
                assert_eq!(seen[0].0.uri, *"/a?b=c");
                assert_eq!(seen[0].0.headers[HOST], *server.address.to_string());
            }
        }
        drop(target);
        server.all_closed().await;
    }
}

#[tokio::test]
async fn a_target_of_one_version_offers_no_other() {
    for (protocols, http2, expected) in [
        (BOTH, false, Some(Version::HTTP_11)),
        (BOTH, true, Some(Version::HTTP_2)),
        (HTTP2, false, None),
        (HTTP1, true, None),
        (&[], true, None),
    ] {
        let (server, tls) = named(protocols).await;
        let target = server.builder(tls);
        let target = if http2 {
            target.http2()
        } else {
            target.http1()
        };
        let target = target.build().unwrap();
        match expected {
            Some(expected) => assert_eq!(version(&target).await, expected),
            None => {
                let error = send(&target, get()).await.unwrap_err();
                assert!(error.is_connect(), "{protocols:?} {error:?}");
                let error = io_error(&error);
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                all_closed(&target).await;
                assert_eq!(server.app.seen().len(), 0);
            }
        }
    }
}

#[tokio::test]
async fn the_first_requests_share_one_http2_connection() {
    let (server, tls) = named(BOTH).await;
    let target = server.target(tls);
    let versions = join_all((0..50).map(|_| version(&target))).await;
    assert!(versions.iter().all(|version| *version == Version::HTTP_2));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn each_of_the_first_requests_gets_an_http1_connection_in_its_turn() {
    let (server, tls) = named(HTTP1).await;
    for idle in [0, 16] {
        let target = server
            .builder(tls.clone())
            .max_connections(3)
            .max_idle(idle);
        let target = target.build().unwrap();
        let versions = join_all((0..50).map(|_| version(&target))).await;
        assert!(versions.iter().all(|version| *version == Version::HTTP_11));
        assert!(server.peak() <= 3, "{}", server.peak());
        drop(target);
        server.all_closed().await;
    }
}

/// If a server is known to use HTTP/1.1, no request waits for the connection of another request.
#[tokio::test]
async fn a_known_http1_server_is_dialled_for_each() {
    let (server, tls) = named(HTTP1).await;
    let target = server.target(tls);
    version(&target).await;
    let mut held = target.clone();
    ready(&mut held).await;
    assert_eq!(target.connections(), 1);
    let mut waiting: Vec<_> = (0..3).map(|_| target.clone()).collect();
    for target in &mut waiting {
        let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(target, cx));
        assert!(ready.now_or_never().is_none());
    }
    assert_eq!(target.connections(), 4);
}

/// A server that restarts with the other version: for requests without a connection, and for a
/// request whose connection closes before it is used.
#[tokio::test]
async fn the_version_may_change() {
    for (before, after, expected) in [
        (HTTP1, HTTP2, Version::HTTP_2),
        (HTTP2, HTTP1, Version::HTTP_11),
    ] {
        for promised in [false, true] {
            let (server, tls) = named(before).await;
            let mut target = server.target(tls);
            assert_ne!(version(&target).await, expected);
            if promised {
                ready(&mut target).await;
            }
            server.close_all().await;
            server.speak(after);
            if !promised {
                all_closed(&target).await;
            }
            let request = Request::post("/a?b=c").header(HOST, "shadow");
            let request = request.body(Full::from("body")).unwrap();
            let response = within(target.call(request)).await.unwrap();
            assert_eq!(response.version(), expected, "{promised}");
            let body = within(response.into_body().collect()).await.unwrap();
            assert_eq!(body.to_bytes(), "primary");
            assert_eq!(version(&target).await, expected);
            assert_eq!(server.accepted(), 2);

            let (head, body) = server.app.seen().swap_remove(1);
            assert_eq!(body.bytes(), "body");
            match expected {
                Version::HTTP_2 => {
                    assert_eq!(head.uri, *"https://shadow/a?b=c");
                    assert!(!head.headers.contains_key(HOST));
                }
                _ => {
                    assert_eq!(head.uri, *"/a?b=c");
                    assert_eq!(head.headers[HOST], "shadow");
                }
            }
        }
    }
}

async fn ready(target: &mut HttpTarget) {
    let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(target, cx));
    within(ready).await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_fails_readiness() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let target = HttpTarget::builder(&url)
        .tls(believing(&Authority::new()))
        .connect_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = send(&target, get()).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(io_error(&error).kind(), io::ErrorKind::TimedOut);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_loses_its_connection() {
    for protocols in [HTTP1, HTTP2] {
        let authority = Authority::new();
        let mut config = config(&authority.issue(NAME));
        config.alpn_protocols = vec![protocols[0].into()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let stream = acceptor.accept(stream).await.unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        });
        let tls = believing(&authority).server_name(NAME).unwrap();
        let target = HttpTarget::builder(&url).tls(tls);
        let target = target
            .write_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        // This is more than the sockets can buffer. Over HTTP/2, whose window is small, the bytes
        // are in heads.
        let sent = match protocols {
            HTTP1 => {
                let body = Full::from(vec![0; 64 << 20]);
                let request = Request::post("/").body(body).unwrap();
                vec![request]
            }
            _ => vec!["~".repeat(300_000); 90]
                .into_iter()
                .map(|large| {
                    let request = Request::get("/").header("x-large", large);
                    request.body(Full::default()).unwrap()
                })
                .collect(),
        };
        let sent = sent.into_iter().map(|request| send(&target, request));
        for failed in join_all(sent).await {
            let error = failed.unwrap_err();
            assert!(error.is_transport() || error.is_connect(), "{error:?}");
        }
        all_closed(&target).await;
        server.abort();
    }
}

/// Connections with TLS are counted in the same way as connections without TLS.
#[tokio::test]
async fn a_response_dropped_before_its_end_closes_its_connection() {
    let (server, tls) = named(HTTP1).await;
    let target = server.target(tls);
    let response = within(target.clone().oneshot(get())).await.unwrap();
    assert_eq!(target.connections(), 1);
    drop(response);
    all_closed(&target).await;
    server.all_closed().await;
}

#[test]
fn a_target_says_whom_it_asks_for_but_not_how() {
    let authority = Authority::new();
    let me = authority.issue_for_clients("me");
    let tls: Tls = believing(&authority)
        .client_certificate(me.chain.as_bytes(), me.key.as_bytes())
        .unwrap();
    let target = HttpTarget::builder("https://catalog.test:8443")
        .tls(tls)
        .build()
        .unwrap();
    assert_eq!(target.authority(), "catalog.test:8443");
    let debug = format!("{target:?}");
    assert!(
        debug.contains("catalog.test") && debug.len() < 500,
        "{debug}"
    );
}
