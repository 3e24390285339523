//! Gateway API's and Istio's mirroring cases for the layer. Its shares are met at the first attempt, where the
//! sources allow several.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};
use tonic_health::{
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_mirror::{HttpTarget, MirrorLayer, Outcome, SampleRate};

use crate::within;
use tower_mirror_testing::*;

/// What the route's filter makes of a request, before it is mirrored.
fn modify(mut request: Request<Script>) -> Request<Script> {
    let fields = request.headers_mut();
    fields.insert(
        "x-header-set",
        HeaderValue::from_static("set-overwrites-values"),
    );
    fields.append("x-header-add", HeaderValue::from_static("header-val-1"));
    fields.append(
        "x-header-add-append",
        HeaderValue::from_static("header-val-2"),
    );
    fields.remove("x-header-remove");
    request
}

fn to_be_modified() -> Request<Script> {
    let mut request = get();
    for (name, value) in [
        ("x-header-set", "some-other-value"),
        ("x-header-add-append", "append-val-1"),
        ("x-header-remove", "val"),
    ] {
        let name = HeaderName::from_static(name);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    request
}

#[track_caller]
fn assert_modified(fields: &HeaderMap) {
    let values = |name| fields.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(values("x-header-set"), ["set-overwrites-values"]);
    assert_eq!(values("x-header-add"), ["header-val-1"]);
    assert_eq!(
        values("x-header-add-append"),
        ["append-val-1", "header-val-2"]
    );
    assert!(!fields.contains_key("x-header-remove"));
}

#[tokio::test]
async fn gateway_02_and_04_modified_headers() {
    let shadows = [TestShadow::recording(), TestShadow::recording()];
    let [v2, v3] = shadows
        .each_ref()
        .map(|shadow| MirrorLayer::new(shadow.share()));
    let primary = Primary::reading();
    let route = ServiceBuilder::new()
        .map_request(modify)
        .layer(&v2)
        .map_request(|request: Request<_>| request)
        .layer(&v3)
        .service(primary.clone());
    route.oneshot(to_be_modified()).await.unwrap();
    assert_modified(&primary.one().0.headers);
    for (mirror, shadow) in [v2, v3].iter().zip(&shadows) {
        settled(&mirror.handle(), 1).await;
        assert_modified(&shadow.one().head.headers);
    }
}

/// 500 requests, ten at a time, through one mirror whose clones they share.
async fn copies(rate: SampleRate, request: fn() -> Request<Script>) -> usize {
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::builder(shadow.share())
        .sample_rate(rate)
        .max_in_flight(500)
        .build();
    let mirror = Arc::new(mirror);
    let lanes = (0..10).map(|_| {
        let mirror = mirror.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                let route = mirror.layer(Primary::ignoring());
                route.oneshot(modify(request())).await.unwrap();
            }
        })
    });
    for lane in join_all(lanes).await {
        lane.unwrap();
    }
    settled(&mirror.handle(), 500).await;
    shadow.copies().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_05_to_07_percentages() {
    let percent = |percent| SampleRate::percent(percent).unwrap();
    let cases: [(_, fn() -> _, f64); 3] = [
        (percent(20.0), get, 100.0),
        (SampleRate::fraction(25, 50).unwrap(), get, 250.0),
        (percent(35.0), to_be_modified, 175.0),
    ];
    for (rate, request, expected) in cases {
        let most = 3.0 * (expected * (1.0 - expected / 500.0)).sqrt();
        let found = copies(rate, request).await as f64;
        assert!((found - expected).abs() <= most, "{found}, not {expected}");
    }
}

/// Absent, 50, 10 and 0 %, of 100 requests each: how many copies, and how far off they may be.
fn shares() -> [(Option<SampleRate>, u64, u64); 4] {
    let percent = |percent| SampleRate::percent(percent).ok();
    [
        (None, 100, 0),
        (percent(50.0), 50, 10),
        (percent(10.0), 10, 5),
        (percent(0.0), 0, 0),
    ]
}

#[tokio::test]
async fn istio_08_over_http() {
    for (rate, expected, most) in shares() {
        let shadow = TestShadow::recording();
        let mut mirror = MirrorLayer::builder(shadow.share());
        if let Some(rate) = rate {
            mirror = mirror.sample_rate(rate);
        }
        let mirror = mirror.build();
        for _ in 0..100 {
            serve(&mirror, &Primary::reading(), get()).await.unwrap();
        }
        settled(&mirror.handle(), 100).await;
        let found = shadow.copies().len() as u64;
        assert!(found.abs_diff(expected) <= most, "{found}, not {expected}");
    }
}

/// A server of tonic's own service, with this layer around it.
async fn grpc(layer: Option<MirrorLayer>) -> String {
    let (reporter, health) = health_reporter();
    reporter
        .set_service_status("catalog", tonic_health::ServingStatus::Serving)
        .await;
    let listener = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder()
        .layer(tower::util::option_layer(layer))
        .add_service(health);
    tokio::spawn(server.serve_with_incoming(listener));
    url
}

#[tokio::test]
async fn istio_08_over_grpc() {
    let v2 = grpc(None).await;
    for (rate, expected, most) in shares() {
        let shadow = HttpTarget::builder(&v2).http2().build().unwrap();
        let mut mirror = MirrorLayer::builder(shadow).timeout(Duration::from_secs(20));
        if let Some(rate) = rate {
            mirror = mirror.sample_rate(rate);
        }
        let mirror = mirror.build();
        let handle = mirror.handle();
        let v1 = grpc(Some(mirror)).await;
        let channel: Channel = Endpoint::new(v1).unwrap().connect_lazy();
        let mut client = HealthClient::new(channel);
        for _ in 0..100 {
            let service = "catalog".to_owned();
            let asked = client.check(HealthCheckRequest { service });
            assert_eq!(
                within("an answer", asked)
                    .await
                    .unwrap()
                    .into_inner()
                    .status,
                1
            );
        }
        let stats = within("the copies", settled(&handle, 100)).await;
        let found = stats.outcome(Outcome::Completed);
        assert!(found.abs_diff(expected) <= most, "{stats}");
        assert_eq!(found + stats.outcome(Outcome::NotSampled), 100, "{stats}");
    }
}
