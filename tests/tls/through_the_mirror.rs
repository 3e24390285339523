//! A shadow over TLS receives the exact copy, or nothing.

use std::time::Duration;

use tower_mirror::{MirrorLayer, Outcome};

use super::{
    all_closed,
    certificates::{Authority, NAME},
    server::{HTTP1, HTTP2, Server, believing, config, named},
};
use tower_mirror_testing::{
    End, Piece, Primary, Script, Step, assert_only, get, pattern, post, serve, settled, trailers,
};

#[tokio::test]
async fn a_shadow_gets_the_exact_copy() {
    let field = trailers(&[("x-sum", "7")]);
    for protocols in [HTTP1, HTTP2] {
        let (server, tls) = named(protocols).await;
        let mirror = MirrorLayer::new(server.target(tls));
        let handle = mirror.handle();
        let body = Script::chunks([1, 70_000, 3, 16_384]).then(Step::Trailers(field.clone()));
        let mut request = post(body);
        *request.uri_mut() = "/a?b=c".parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("host", "catalog".parse().unwrap());
        headers.insert("x-id", "1".parse().unwrap());
        headers.insert("trailer", "x-sum".parse().unwrap());
        let primary = Primary::reading();
        serve(&mirror, &primary, request).await.unwrap();

        let stats = settled(&handle, 1).await;
        assert_only(&stats, Outcome::Completed);
        let ((sent, whole), (got, copy)) = (primary.one(), server.app.one());
        assert_eq!(
            (got.method, got.uri.path_and_query()),
            (sent.method, sent.uri.path_and_query())
        );
        assert_eq!(got.headers["x-id"], "1");
        assert_eq!(copy.bytes(), whole.bytes());
        assert_eq!(copy.bytes().len(), 1 + 70_000 + 3 + 16_384);
        assert_eq!(copy.end, End::Whole);
        assert_eq!(copy.pieces.last(), Some(&Piece::Trailers(field.clone())));
        assert!(copy.bytes().starts_with(&pattern(1)));
    }
}

#[tokio::test]
async fn a_shadow_that_cannot_be_believed_is_one_that_cannot_be_connected_to() {
    let (authority, other) = (Authority::new(), Authority::new());
    for identity in [
        other.issue(NAME),
        authority.issue("other.test"),
        authority.issue_expired(NAME),
    ] {
        let server = Server::start(config(&identity), HTTP2).await;
        let target = server.target(believing(&authority).server_name(NAME).unwrap());
        let mirror = MirrorLayer::new(target.clone());
        let handle = mirror.handle();
        let answer = serve(&mirror, &Primary::reading(), get()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_only(&settled(&handle, 1).await, Outcome::FailedConnect);
        all_closed(&target).await;
        assert_eq!(server.app.seen().len(), 0);
    }
}

#[tokio::test]
async fn a_shadow_that_never_ends_its_handshake_is_one_that_cannot_be_connected_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let tls = believing(&Authority::new());
    let target = tower_mirror::HttpTarget::builder(&url)
        .tls(tls)
        .connect_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let mirror = MirrorLayer::new(target.clone());
    let handle = mirror.handle();
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    assert_only(&settled(&handle, 1).await, Outcome::FailedConnect);
    assert_eq!(target.connections(), 0);
}
