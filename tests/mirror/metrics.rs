//! The feature `metrics`: the values for an exporter, and their documentation.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use tower::{Layer, ServiceExt, service_fn};
use tower_mirror::{
    BoxError, Force, MirrorLayer, SampleRate, WeightedSplit, compare::Compare, metrics,
    observe::Observer,
};
use tower_mirror_testing::*;

fn prometheus() -> PrometheusRecorder {
    let seconds = Matcher::Suffix("_seconds".into());
    let bytes = Matcher::Suffix("_bytes".into());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &[1.0, 10.0]);
    let builder = builder.unwrap().set_buckets_for_metric(bytes, &[100.0]);
    builder.unwrap().build_recorder()
}

/// Returns the value of this series, which must exist.
fn value(text: &str, series: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.parse().unwrap()
}

async fn all_that_is_exported() -> String {
    let recorder = prometheus();
    let prometheus = recorder.handle();
    let _guard = ::metrics::set_default_local_recorder(&recorder);

    let slow = TestShadow::new(Act::AnswersAfter(Duration::from_secs(3)));
    let mirror = MirrorLayer::builder(slow)
        .name("catalog")
        .observe_with(metrics::MetricsObserver::new())
        .build();
    let handle = mirror.handle();
    let primary = Primary::new(Reads::All, Then::Answers(404));
    for _ in 0..4 {
        serve(&mirror, &primary, post(Script::chunks([50, 20])))
            .await
            .unwrap();
    }
    metrics::record_mirror(&handle);
    let before = prometheus.render();
    assert_eq!(
        value(&before, r#"tower_mirror_in_flight{mirror="catalog"}"#),
        4.0
    );
    assert!(value(&before, r#"tower_mirror_buffered_bytes{mirror="catalog"}"#) > 0.0);
    settled(&handle, 4).await;
    handle.set_sample_rate(SampleRate::percent(12.5).unwrap());
    handle.pause();
    serve(&mirror, &primary, get()).await.unwrap();
    metrics::record_mirror(&handle);

    let version = service_fn(async |_: Request<String>| {
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    });
    let split = WeightedSplit::builder("versions")
        .subset("v1", 3, version)
        .subset("v2", 1, version)
        .force(Force::header(http::HeaderName::from_static("x-version")).when(|_| true))
        .build()
        .unwrap();
    for forced in [None, Some("v2"), None, Some("v3"), None] {
        let mut request = Request::new(String::new());
        if let Some(forced) = forced {
            request
                .headers_mut()
                .insert("x-version", forced.parse().unwrap());
        }
        split.clone().oneshot(request).await.unwrap();
    }
    compare_two().await;
    split.handle().set_weights([("v1", 0), ("v2", 0)]).unwrap();
    drop(split.clone().oneshot(Request::new(String::new())).await);
    // A second recording changes nothing.
    metrics::record_split(&split.handle());
    metrics::record_split(&split.handle());
    prometheus.render()
}

#[tokio::test(start_paused = true)]
async fn everything_counted_is_exported() {
    let text = all_that_is_exported().await;
    for (series, expected) in [
        (
            r#"requests_total{mirror="catalog",outcome="completed"}"#,
            4.0,
        ),
        (r#"requests_total{mirror="catalog",outcome="paused"}"#, 1.0),
        (
            r#"requests_total{mirror="catalog",outcome="timed_out"}"#,
            0.0,
        ),
        (r#"admitted_total{mirror="catalog"}"#, 4.0),
        (
            r#"statuses_total{mirror="catalog",primary="4xx",shadow="2xx"}"#,
            4.0,
        ),
        (
            r#"statuses_total{mirror="catalog",primary="2xx",shadow="4xx"}"#,
            0.0,
        ),
        (r#"observer_panics_total{mirror="catalog"}"#, 0.0),
        (r#"in_flight{mirror="catalog"}"#, 0.0),
        (r#"buffered_bytes{mirror="catalog"}"#, 0.0),
        (r#"sample_ratio{mirror="catalog"}"#, 0.125),
        (r#"paused{mirror="catalog"}"#, 1.0),
        (r#"primary_latency_seconds_count{mirror="catalog"}"#, 4.0),
        (
            r#"primary_latency_seconds_bucket{mirror="catalog",le="1"}"#,
            4.0,
        ),
        (r#"shadow_latency_seconds_sum{mirror="catalog"}"#, 12.0),
        (
            r#"shadow_latency_seconds_bucket{mirror="catalog",le="1"}"#,
            0.0,
        ),
        (
            r#"shadow_latency_seconds_bucket{mirror="catalog",le="10"}"#,
            4.0,
        ),
        (r#"request_bytes_sum{mirror="catalog"}"#, 280.0),
        (r#"response_bytes_sum{mirror="catalog"}"#, 0.0),
        (r#"response_bytes_count{mirror="catalog"}"#, 4.0),
        (
            r#"split_requests_total{split="versions",subset="v2",reason="forced"}"#,
            1.0,
        ),
        (
            r#"split_requests_total{split="versions",subset="v1",reason="keyed"}"#,
            0.0,
        ),
        (r#"split_unready_total{split="versions",subset="v1"}"#, 0.0),
        (
            r#"split_refused_total{split="versions",reason="no_weight"}"#,
            1.0,
        ),
        (
            r#"split_refused_total{split="versions",reason="not_ready"}"#,
            0.0,
        ),
        (r#"split_unknown_forced_total{split="versions"}"#, 1.0),
        (r#"split_policy_panics_total{split="versions"}"#, 0.0),
        (r#"split_weight{split="versions",subset="v1"}"#, 0.0),
        (
            r#"split_configured_ratio{split="versions",subset="v1"}"#,
            0.0,
        ),
        (r#"split_generation{split="versions"}"#, 1.0),
    ] {
        assert_eq!(
            value(&text, &format!("tower_mirror_{series}")),
            expected,
            "{series}"
        );
    }
    let weighted = |subset| {
        value(
            &text,
            &format!(
                r#"tower_mirror_split_requests_total{{split="versions",subset="{subset}",reason="weighted"}}"#
            ),
        )
    };
    assert_eq!(weighted("v1") + weighted("v2"), 4.0);
}

/// One request that is compared, and one that is not.
async fn compare_two() {
    let mirror = MirrorLayer::builder(TestShadow::new(Act::Answers(200)));
    let layer = Compare::alone().warm_up(0).duty(1.0).layer(mirror).unwrap();
    let primary = Primary::new(Reads::All, Then::Answers(200));
    let mut ranged = get();
    let range = http::HeaderValue::from_static("bytes=0-");
    ranged.headers_mut().insert("range", range);
    for request in [get(), ranged] {
        let answer = layer.layer(primary.clone()).oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    layer.handle().wait_idle().await;
    metrics::record_compare(&layer.handle());
}

/// Returns the documented names and kinds of the metrics, with their labels.
fn documented() -> BTreeSet<(String, String, BTreeSet<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/mod.rs");
    let text = fs::read_to_string(path).unwrap();
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `tower_mirror_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3]
            .split(", ")
            .map(|label| label.trim_matches('`').to_owned());
        let name = format!("tower_mirror_{}", cells[0].trim_matches('`'));
        (name, cells[1].to_owned(), labels.collect())
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_documented_is_what_is_exported() {
    let text = all_that_is_exported().await;
    let exported: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            // The metric has a description, which is a sentence.
            let help = text
                .lines()
                .find(|line| line.starts_with(&format!("# HELP {name} ")));
            assert!(
                help.is_some_and(|help| help.ends_with('.')),
                "{name}: {help:?}"
            );
            let mut labels = BTreeSet::new();
            for series in text.lines().filter(|line| line.starts_with(name)) {
                let (found, rest) = series.split_once('{').unwrap();
                let suffix = &found[name.len()..];
                if ["", "_bucket", "_sum", "_count"].contains(&suffix) {
                    let pairs = rest.split_once('}').unwrap().0.split(',');
                    labels.extend(pairs.map(|pair| pair.split_once('=').unwrap().0.to_owned()));
                }
            }
            labels.remove("le");
            (name.to_owned(), kind.to_owned(), labels)
        })
        .collect();
    assert_eq!(exported, documented());
    assert_eq!(exported.len(), 28);
}

#[tokio::test(start_paused = true)]
async fn an_observer_of_two_mirrors_records_each_under_its_name() {
    let recorder = prometheus();
    let prometheus = recorder.handle();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let histograms = std::sync::Arc::new(metrics::MetricsObserver::new());
    for (name, requests) in [("first", 1), ("second", 2)] {
        let histograms = histograms.clone();
        let mirror = MirrorLayer::builder(TestShadow::new(Act::AnswersAfter(Duration::ZERO)))
            .name(name)
            .observer(move |report| histograms.on_report(report))
            .build();
        for _ in 0..requests {
            let primary = Primary::new(Reads::All, Then::Answers(200));
            serve(&mirror, &primary, get()).await.unwrap();
        }
        settled(&mirror.handle(), requests).await;
    }
    let text = prometheus.render();
    for (name, requests) in [("first", 1.0), ("second", 2.0)] {
        let series = format!("tower_mirror_primary_latency_seconds_count{{mirror=\"{name}\"}}");
        assert_eq!(value(&text, &series), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_is_installed_late_is_found() {
    let mirror = MirrorLayer::builder(TestShadow::new(Act::AnswersAfter(Duration::ZERO)))
        .observe_with(metrics::MetricsObserver::new())
        .build();
    let primary = Primary::new(Reads::All, Then::Answers(200));
    serve(&mirror, &primary, get()).await.unwrap();
    settled(&mirror.handle(), 1).await;

    let recorder = prometheus();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..2 {
        serve(&mirror, &primary, get()).await.unwrap();
    }
    settled(&mirror.handle(), 3).await;
    let series = r#"tower_mirror_shadow_latency_seconds_count{mirror="mirror"}"#;
    assert_eq!(value(&recorder.handle().render(), series), 2.0);
}
