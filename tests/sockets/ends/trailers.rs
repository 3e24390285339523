//! A copy has the trailers of its request, or it does not count as complete.

use http::Uri;
use hyper_util::{
    client::legacy::{Client as LegacyClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_mirror::{BodyMode, MirrorLayer, Outcome, ShadowBody};

use super::{
    primary::primary,
    rig::{Rig, WAYS, all, recording, tapped, upstream_of_none},
};
use tower_mirror_testing::{
    by_hand::*,
    server::{Clock, within},
};

const FIVE: (&str, &str) = ("content-length", "5");
const TRAILER: (&str, &str) = ("trailer", "x-sum");

/// HTTP/1.1 clients drop these fields without an error (RFC 9110, section 6.5.1).
const FORBIDDEN: [&str; 12] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "host",
    "max-forwards",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
];

#[tokio::test(start_paused = true)]
async fn trailers_that_no_client_sends_are_never_of_a_complete_copy() {
    for way in WAYS {
        for name in FORBIDDEN {
            for declared in [
                &[FIVE][..],
                &[("trailer", name)],
                &[FIVE, ("trailer", name)],
            ] {
                let case = format!("{name} {declared:?} {way:?}");
                let rig = Rig::new(way).await;
                let mut client = Client::connect(rig.primary.address).await;
                let head = head("POST", "/collect", declared);
                let trailers = trailers(&[("x-sum", "42"), (name, "1")]);
                client.write(&[head, data(b"hello"), trailers]).await;
                let _ = within(client.event()).await;
                within(rig.handle.wait_idle()).await;
                within(client.closed()).await;
                // Some of them are not permitted in HTTP/2, and the server resets the stream.
                let outcome = match name {
                    "te" | "transfer-encoding" => Outcome::ClientAborted,
                    _ => Outcome::BodyError,
                };
                assert_eq!(rig.end().await.outcomes, [outcome], "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_that_no_client_sends_are_never_of_a_complete_copy_over_http1() {
    for way in WAYS {
        for name in FORBIDDEN {
            let case = format!("{name} {way:?}");
            let rig = Rig::new(way).await;
            let mut client = Raw::connect(rig.primary.address).await;
            let sent = format!(
                "POST /collect HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n\
                 transfer-encoding: chunked\r\ntrailer: x-sum, {name}\r\n\r\n\
                 5\r\nhello\r\n0\r\nx-sum: 42\r\n{name}: 1\r\n\r\n"
            );
            client.write(sent).await;
            let answer = within(client.rest()).await;
            within(rig.handle.wait_idle()).await;
            let ended = rig.end().await;
            eprintln!(
                "ZZ1 {case} {:?} {:?} {}",
                ended.outcomes,
                ended.copies,
                &answer[..16]
            );
        }
    }
}

/// The shadow is hyper-util's client, which does not know the mirror.
#[tokio::test(start_paused = true)]
async fn another_client_sends_the_trailers_too_or_the_copy_is_not_complete() {
    for way in WAYS {
        for declared in [&[][..], &[FIVE], &[TRAILER], &[FIVE, TRAILER]] {
            let case = format!("{declared:?} {way:?}");
            if declared.is_empty() && way.mode == BodyMode::Streaming && !way.is_http2 {
                continue; // hyper drops them, as `BodyMode::Streaming` says
            }
            let _clock = Clock::held();
            let (shadow, copies) = recording().await;
            let authority = shadow.address.to_string();
            let mut builder = LegacyClient::builder(TokioExecutor::new());
            builder.http2_only(way.is_http2);
            let client: LegacyClient<HttpConnector, ShadowBody> = builder.build_http();
            let layer = MirrorLayer::builder(client)
                .body_mode(way.mode)
                .rewrite(move |copy| {
                    let uri = Uri::builder().scheme("http").authority(&*authority);
                    copy.uri = uri.path_and_query("/").build().unwrap();
                })
                .build();
            let handle = layer.handle();
            let (server, _events) = tapped(primary(upstream_of_none()).layer(layer)).await;
            let mut client = Client::connect(server.address).await;
            let head = head("POST", "/collect", declared);
            let sum = trailers(&[("x-sum", "42")]);
            client.write(&[head, data(b"hello"), sum]).await;
            assert_eq!(within(client.status()).await, Ok(200), "{case}");
            within(handle.wait_idle()).await;
            within(client.closed()).await;
            server.stop().await;
            let stats = handle.stats();
            drop(handle);
            shadow.stop().await;
            let mut copies = all(copies);
            let copy = copies.pop().unwrap();
            let is_late = way.mode == BodyMode::Streaming && !way.is_http2;
            if is_late && !declared.contains(&TRAILER) {
                // The copy's head was sent before the trailers arrived.
                assert_eq!(
                    stats.outcome(Outcome::FailedTransport),
                    1,
                    "{case}: {stats}"
                );
                continue;
            }
            assert_eq!(stats.outcome(Outcome::Completed), 1, "{case}: {stats}");
            assert_eq!(copy.bytes, b"hello", "{case}");
            assert_eq!(copy.trailer("x-sum"), Some("42"), "{case}");
        }
    }
}

/// Only the end of the request shows whether trailers follow the declared bytes, so the copy waits
/// for the end.
#[tokio::test(start_paused = true)]
async fn trailers_that_come_after_the_shadow_has_answered_are_not_lost_unseen() {
    for way in WAYS
        .into_iter()
        .filter(|way| way.mode == BodyMode::Streaming)
    {
        let mut rig = Rig::new(way).await;
        let mut client = Client::connect(rig.primary.address).await;
        client
            .write(&[head("POST", "/collect", &[FIVE]), data(b"hello")])
            .await;
        rig.read(5).await;
        if !way.is_http2 {
            assert_eq!(rig.copy().await.bytes, b"hello");
            // When a later copy has been answered, this copy has been answered too.
            let mut other = Client::connect(rig.primary.address).await;
            other.write(&[head("GET", "/ignore", &[]), end()]).await;
            assert_eq!(within(other.status()).await, Ok(200));
            while rig.handle.stats().in_flight() > 1 {
                tokio::task::yield_now().await;
            }
            other.closed().await;
        }
        client.write(&[trailers(&[("x-sum", "42")])]).await;
        assert_eq!(within(client.status()).await, Ok(200));
        within(rig.handle.wait_idle()).await;
        within(client.closed()).await;
        let ended = rig.end().await;
        match way.is_http2 {
            true => assert_eq!(ended.completed("").trailer("x-sum"), Some("42")),
            false => assert_eq!(
                ended.outcomes,
                [Outcome::Completed, Outcome::FailedTransport]
            ),
        }
    }
}
