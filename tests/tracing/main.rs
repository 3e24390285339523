//! The feature `tracing`: the spans and events of copies.

#![allow(clippy::unwrap_used)]

mod lines;
mod outcomes;
mod record;

use std::time::Duration;

use http::{Method, Request, header::AUTHORIZATION};
use record::Records;
use tower_mirror::{HostRewrite, MirrorLayer, Outcome, SampleRate};
use tower_mirror_testing::*;
use tracing::{Instrument, Level, info_span};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

#[tokio::test(start_paused = true)]
async fn each_copy_has_a_span_of_its_own_beside_its_primarys() {
    let (records, _guard) = Records::begin();
    let slow = TestShadow::new(Act::AnswersAfter(Duration::from_secs(3)));
    let (mirror, primary) = (MirrorLayer::new(slow), Primary::reading());
    for _ in 0..3 {
        let answer = serve(&mirror, &primary, get());
        answer
            .instrument(info_span!("the primary's"))
            .await
            .unwrap();
    }

    // The primary's span ends before the shadow has ended.
    let primaries = records.named("the primary's");
    assert!(primaries.iter().all(|span| span.is_closed));
    let copies = records.copies();
    assert!(copies.iter().all(|span| !span.is_closed));
    assert_eq!(records.events().len(), 0);

    let linked: Vec<_> = copies.iter().map(|span| span.follows.clone()).collect();
    let expected: Vec<_> = primaries.iter().map(|span| vec![span.id]).collect();
    assert_eq!(linked, expected);
    assert!(
        copies.iter().all(|span| span.parent.is_none()),
        "{copies:?}"
    );

    settled(&mirror.handle(), 3).await;
    let copies = records.copies();
    assert_eq!(copies.len(), 3);
    for (copy, event) in copies.iter().zip(records.events()) {
        assert!(copy.is_closed);
        assert_eq!(
            (copy.target.as_str(), copy.level),
            ("tower_mirror", Level::INFO)
        );
        assert_eq!(event.span, Some(copy.id));
        assert_eq!(event.fields["total_seconds"], "3.0");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_span_around_it_there_is_nothing_to_link() {
    let (records, _guard) = Records::begin();
    let mirror = MirrorLayer::new(TestShadow::recording());
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    settled(&mirror.handle(), 1).await;
    let copy = records.copy();
    assert_eq!((copy.parent, copy.follows.len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn fields_are_opentelemetrys_and_hold_no_secret() {
    for (host, address, port) in [
        ("catalog:8000", "catalog-shadow", Some("8000")),
        ("catalog", "catalog-shadow", None),
        ("[::1]:80", "::1", Some("80")),
    ] {
        let (records, _guard) = Records::begin();
        let mirror = MirrorLayer::builder(TestShadow::new(Act::Answers(404)))
            .name("catalog-v2")
            .host_rewrite(HostRewrite::suffix("-shadow"))
            .route_label(|_| Some("/items/{id}"))
            .build();
        let request = Request::post("/items/7?token=secret")
            .header("host", host)
            .header(AUTHORIZATION, "secret")
            .header("x-anything", "secret")
            .body(Script::new([Step::Data("secret".into())]))
            .unwrap();
        serve(&mirror, &Primary::reading(), request).await.unwrap();
        settled(&mirror.handle(), 1).await;

        let copy = records.copy();
        let mut expected = vec![
            ("error.type", "404"),
            ("http.request.method", "POST"),
            ("http.response.status_code", "404"),
            ("http.route", "/items/{id}"),
            ("mirror.name", "catalog-v2"),
            ("mirror.outcome", "completed"),
            ("network.protocol.version", "1.1"),
            ("otel.kind", "client"),
            ("otel.status_code", "ERROR"),
            ("server.address", address),
        ];
        expected.extend(port.map(|port| ("server.port", port)));
        expected.push(("url.path", "/items/7"));
        let found = copy.fields.iter().map(|(name, value)| (&**name, &**value));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{host}");
        let everything = format!("{copy:?} {:?}", records.events());
        assert!(!everything.contains("secret"), "{everything}");
    }
}

#[tokio::test(start_paused = true)]
async fn methods_of_a_clients_invention_are_one_value() {
    let (records, _guard) = Records::begin();
    let mirror = MirrorLayer::new(TestShadow::recording());
    let mut request = get();
    *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
    serve(&mirror, &Primary::reading(), request).await.unwrap();
    settled(&mirror.handle(), 1).await;
    let fields = records.copy().fields;
    assert_eq!(fields["http.request.method"], "_OTHER");
    assert_eq!(fields["http.request.method_original"], "BREW");
    assert!(!fields.contains_key("error.type"), "{fields:?}");
    assert!(!fields.contains_key("otel.status_code"), "{fields:?}");
}

#[tokio::test(start_paused = true)]
async fn the_shadow_and_the_rewrites_run_in_the_span() {
    let (records, _guard) = Records::begin();
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .rewrite(|copy| {
            tracing::info!(target: "tower_mirror::test", path = copy.uri.path(), "a rewrite's own");
        })
        .build();
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    settled(&mirror.handle(), 1).await;
    let copy = Some(records.copy().id);
    let events = records.events();
    let found: Vec<_> = events
        .iter()
        .map(|event| (&*event.target, event.span))
        .collect();
    assert_eq!(
        found,
        [("tower_mirror::test", copy), ("tower_mirror", copy)]
    );
}

/// A subscriber that panics in every function.
struct Breaks;

impl<S: tracing::Subscriber> Layer<S> for Breaks {
    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        panic!("a deliberate panic in the subscriber");
    }

    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        panic!("a deliberate panic in the subscriber");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_affects_no_request() {
    let subscriber = tracing_subscriber::registry().with(Breaks);
    let _guard = tracing::subscriber::set_default(subscriber);
    let mirror = MirrorLayer::new(TestShadow::recording());
    let handle = mirror.handle();
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    assert_only(&settled(&handle, 1).await, Outcome::Completed);
    handle.pause();
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    assert_eq!(settled(&handle, 2).await.outcome(Outcome::Paused), 1);
}

/// A subscriber that panics when a span is cloned, which happens to the span of a copy for its
/// task.
struct BreaksWhenCloned;

impl tracing::Subscriber for BreaksWhenCloned {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn clone_span(&self, _: &tracing::span::Id) -> tracing::span::Id {
        panic!("a deliberate panic in the subscriber");
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_at_a_clone_affects_no_request() {
    let _guard = tracing::subscriber::set_default(BreaksWhenCloned);
    let mirror = MirrorLayer::new(TestShadow::recording());
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn of_requests_that_are_not_sampled_nothing_is_seen() {
    let (records, _guard) = Records::begin();
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .sample_rate(SampleRate::NONE)
        .build();
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::NotSampled);
    assert_eq!((records.copies().len(), records.events().len()), (0, 0));
}
