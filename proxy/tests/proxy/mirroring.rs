//! The copies that the shadow receives.

use std::time::{Duration, Instant};

use http::Response;
use http_body_util::Full;

use crate::{
    child::Proxy,
    client::{Client, get},
    upstream::Upstream,
};

#[tokio::test]
async fn copies_are_exact_but_for_host_and_mark() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    let client = Client::http1();

    for size in [0, 1, 20_000, 300_000] {
        let body = vec![b'x'; size];
        let answer = client.post(&proxy.url("/items?page=2"), body.clone()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, body);

        let (original, copy) = (primary.seen().await, shadow.seen().await);
        assert_eq!(original.body, body);
        assert_eq!(copy.body, body);
        assert_eq!(copy.method, original.method);
        assert_eq!(copy.uri, original.uri);
        assert_eq!(original.host(), "catalog:8000");
        assert_eq!(copy.host(), "catalog-shadow:8000");
        assert!(!original.headers.contains_key("x-mirrored-by"));
        assert_eq!(copy.headers["x-mirrored-by"], "mirror");
    }
    let stats = proxy.settled().await;
    assert_eq!(stats.number("requests"), 4);
    assert_eq!(stats.outcome("completed"), 4);
    assert_eq!(stats.number("buffered_bytes"), 0);
}

#[tokio::test]
async fn options_reach_the_mirror() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::answering(async |seen| {
        if seen.uri.path() == "/slow" {
            std::future::pending().await
        }
        Response::new(Full::default())
    })
    .await;
    let (primary_url, shadow_url) = (primary.url(), shadow.url());
    let sides = ["--primary", &primary_url, "--shadow", &shadow_url];

    for (options, host, body) in [
        (&["--preserve-host"][..], "catalog:8000", "hello"),
        (&["--host", "v2.internal:9"], "v2.internal:9", "hello"),
        (&["--host-suffix", "-next"], "catalog-next:8000", "hello"),
        (&["--body", "head-only"], "catalog-shadow:8000", ""),
        (&["--body", "buffered"], "catalog-shadow:8000", "hello"),
        (&["--body", "streaming"], "catalog-shadow:8000", "hello"),
    ] {
        let proxy = Proxy::start(&[&sides[..], options].concat()).await;
        let answer = Client::http1().post(&proxy.url("/"), "hello").await;
        assert_eq!(answer.body, "hello");
        assert_eq!(primary.seen().await.host(), "catalog:8000");
        let copy = shadow.seen().await;
        assert_eq!(copy.host(), host, "{options:?}");
        assert_eq!(copy.body, body, "{options:?}");
    }
    for (options, path, outcome) in [
        (&["--percent", "0"][..], "/", "not_sampled"),
        (&["--max-body-bytes", "4"], "/", "too_large"),
        (&["--max-in-flight", "0"], "/", "in_flight_limit"),
        (&["--max-buffered-bytes", "100"], "/", "buffer_limit"),
        (&["--timeout-ms", "10"], "/slow", "timed_out"),
    ] {
        let proxy = Proxy::start(&[&sides[..], options].concat()).await;
        let answer = Client::http1().post(&proxy.url(path), "hello").await;
        assert_eq!(answer.body, "hello");
        let begun = Instant::now();
        let stats = proxy.settled().await;
        assert_eq!(stats.outcome(outcome), 1, "{options:?} {stats:?}");
        // The default timeout would take longer.
        assert!(begun.elapsed() < Duration::from_secs(4), "{options:?}");
    }
}

#[tokio::test]
async fn a_shadow_that_dies_and_comes_back_goes_unnoticed() {
    let primary = Upstream::echo().await;
    let shadow = Upstream::echo().await;
    let address = shadow.address;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    let client = Client::http1();
    let ten_requests = async || {
        for _ in 0..10 {
            let answer = client.post(&proxy.url("/"), "hello").await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body, "hello");
        }
        proxy.settled().await
    };

    let up = ten_requests().await;
    assert_eq!(up.outcome("completed"), 10);

    shadow.kill().await;
    let down = ten_requests().await;
    assert_eq!(down.outcome("completed"), 10);
    // A copy may meet a connection just as it closes.
    let transport = down.outcome("failed_transport");
    assert!(transport <= 1, "{down:?}");
    assert_eq!(down.outcome("failed_connect") + transport, 10);

    let _shadow = Upstream::at(address, async |seen| Response::new(Full::new(seen.body))).await;
    let back = ten_requests().await;
    assert_eq!(back.outcome("completed"), 20);
    assert_eq!(
        back.outcome("failed_connect"),
        down.outcome("failed_connect")
    );
    assert_eq!(back.number("requests"), 30);
}

#[tokio::test]
async fn a_primary_that_is_down_is_still_mirrored() {
    let primary = Upstream::echo().await;
    let primary_url = primary.url();
    primary.kill().await;
    let mut shadow = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary_url, "--shadow", &shadow.url()]).await;

    assert_eq!(get(&proxy.url("/a")).await.status, 502);
    assert_eq!(shadow.seen().await.uri, "/a");
    assert_eq!(proxy.settled().await.outcome("completed"), 1);
}
