//! SIGTERM and Ctrl-C.

use std::sync::Arc;

use http::Response;
use http_body_util::Full;
use rustix::process::Signal;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore};

use crate::{
    child::Proxy,
    client::{Client, get},
    upstream::Upstream,
};

/// Answers as often as it is permitted to.
async fn gated() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::answering({
        let gate = gate.clone();
        move |seen| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Response::new(Full::new(seen.body))
            }
        }
    })
    .await;
    (upstream, gate)
}

#[tokio::test]
async fn requests_in_flight_are_answered() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut primary, gate) = gated().await;
        let mut proxy = Proxy::start(&["--primary", &primary.url()]).await;
        let (client, url) = (Client::http1(), proxy.url("/"));
        let answer = tokio::spawn(async move { client.post(&url, "hello").await });
        primary.seen().await;

        proxy.signal(signal);
        assert_eq!(proxy.says("draining ").await, "1 connections");
        let refused = TcpStream::connect(proxy.address).await;
        assert!(refused.is_err(), "it still accepts connections");

        gate.add_permits(1);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, "hello");
        assert_eq!(proxy.says("served ").await, "1 requests");
        assert_eq!(proxy.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn copies_in_flight_are_finished() {
    let primary = Upstream::echo().await;
    let (mut shadow, gate) = gated().await;
    let mut proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    assert_eq!(get(&proxy.url("/")).await.status, 200);
    shadow.seen().await;

    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    // The admin address answers while it drains.
    assert_eq!(proxy.stats().await.number("in_flight"), 1);
    gate.add_permits(1);
    assert_eq!(
        proxy.says("served ").await,
        "1 requests; mirrored 1, completed 1; 0 copies aborted by the drain"
    );
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn the_drain_ends_in_time_and_says_what_it_gave_up() {
    let primary = Upstream::echo().await;
    let (mut shadow, _gate) = gated().await;
    let (primary, shadow_url) = (primary.url(), shadow.url());
    let mut proxy = Proxy::start(&[
        "--primary",
        &primary,
        "--shadow",
        &shadow_url,
        "--drain-timeout-ms",
        "100",
    ])
    .await;
    for _ in 0..3 {
        assert_eq!(get(&proxy.url("/")).await.status, 200);
        shadow.seen().await;
    }
    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    assert_eq!(
        proxy.says("served ").await,
        "3 requests; mirrored 3, aborted 3; 3 copies aborted by the drain"
    );
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_primary_that_hangs_does_not_hold_up_the_end() {
    let forever = u64::MAX.to_string();
    // Either of the limit and a second signal ends it.
    for (limit, second) in [("100", None), (forever.as_str(), Some(Signal::TERM))] {
        let (mut primary, _gate) = gated().await;
        let primary_url = primary.url();
        let args = ["--primary", &primary_url, "--drain-timeout-ms", limit];
        let mut proxy = Proxy::start(&args).await;
        let mut stuck = TcpStream::connect(proxy.address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        stuck.write_all(request).await.unwrap();
        primary.seen().await;

        proxy.signal(Signal::TERM);
        assert_eq!(proxy.says("draining ").await, "1 connections");
        if let Some(second) = second {
            proxy.signal(second);
        }
        assert_eq!(proxy.says("served ").await, "1 requests");
        assert_eq!(proxy.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_cuts_the_drain_short() {
    let primary = Upstream::echo().await;
    let (mut shadow, _gate) = gated().await;
    let (primary, shadow_url) = (primary.url(), shadow.url());
    let forever = u64::MAX.to_string();
    let mut proxy = Proxy::start(&[
        "--primary",
        &primary,
        "--shadow",
        &shadow_url,
        "--timeout-ms",
        &forever,
        "--drain-timeout-ms",
        &forever,
    ])
    .await;
    assert_eq!(get(&proxy.url("/")).await.status, 200);
    shadow.seen().await;
    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    proxy.signal(Signal::INT);
    assert_eq!(
        proxy.says("served ").await,
        "1 requests; mirrored 1, aborted 1; 1 copies aborted by the drain"
    );
    assert_eq!(proxy.exit_code().await, Some(0));
}
