//! The information that a mirror gives about requests: in extensions of responses, reports and
//! statistics.

use std::panic::catch_unwind;

use http::{HeaderName, HeaderValue, Method, Request};
use serde_json::json;
use tower_mirror::{
    MirrorBuilder, MirrorLayer, Mirrored, Outcome, SampleRate, StatusClass, mirror::Mirroring,
    rewrite,
};
use tower_mirror_testing::*;

fn of<R>(answer: &http::Response<R>) -> Option<Mirroring> {
    answer.extensions().get().copied()
}

#[tokio::test(start_paused = true)]
async fn a_response_says_whether_its_request_was_copied() {
    let primary = Primary::reading();
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .filter(|head| head.method != Method::DELETE)
        .with_mirroring()
        .build();
    let handle = mirror.handle();
    let answer = async |request| serve(&mirror, &primary, request).await.expect("an answer");

    assert_eq!(of(&answer(get()).await), Some(Mirroring::Copied));
    let mut filtered = get();
    *filtered.method_mut() = Method::DELETE;
    let skipped = |outcome| Some(Mirroring::Skipped(outcome));
    assert_eq!(of(&answer(filtered).await), skipped(Outcome::Filtered));
    let mut copy = get();
    copy.headers_mut()
        .insert("x-mirrored-by", HeaderValue::from_static("another"));
    assert_eq!(of(&answer(copy).await), skipped(Outcome::Loop));
    handle.set_sample_rate(SampleRate::NONE);
    assert_eq!(of(&answer(get()).await), skipped(Outcome::NotSampled));
    handle.pause();
    assert_eq!(of(&answer(get()).await), skipped(Outcome::Paused));

    let stats = settled(&handle, 5).await;
    assert_eq!(stats.outcome(Outcome::Completed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_says_nothing_by_default() {
    let primary = Primary::reading();
    let mirror = MirrorLayer::new(TestShadow::recording());
    let copied = serve(&mirror, &primary, get()).await.expect("an answer");
    mirror.handle().pause();
    let skipped = serve(&mirror, &primary, get()).await.expect("an answer");
    for answer in [copied, skipped] {
        assert!(answer.extensions().is_empty());
    }
    settled(&mirror.handle(), 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_report_has_the_method_and_the_template_and_nothing_else_of_the_target() {
    let observer = RecordingObserver::default();
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .route_label(|head| {
            head.uri
                .path()
                .starts_with("/users/")
                .then_some("/users/{name}")
        })
        .observe_with(observer.clone())
        .build();
    let methods = ["GET", "PATCH", "A-METHOD-OF-MORE-THAN-15-BYTES"];
    for (at, method) in methods.into_iter().enumerate() {
        let request = Request::builder().method(method);
        let request = request.uri("http://a/users/ada?token=hunter2");
        let request = request.body(Script::default().knowing_end()).unwrap();
        let answer = serve(&mirror, &Primary::reading(), request).await;
        answer.expect("an answer");
        settled(&mirror.handle(), at as u64 + 1).await;
    }
    let reports = observer.reports();
    assert_eq!(reports.len(), methods.len());
    for (report, method) in reports.iter().zip(methods) {
        assert_eq!(report.method, method);
        assert_eq!(report.route.as_deref(), Some("/users/{name}"));
        let shown = format!("{report:?}");
        assert!(
            !shown.contains("ada") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_can_be_subtracted() {
    let primary = Primary::reading();
    let mirror = MirrorLayer::new(TestShadow::recording());
    let handle = mirror.handle();
    for _ in 0..3 {
        serve(&mirror, &primary, get()).await.expect("an answer");
    }
    let before = settled(&handle, 3).await;
    let nothing = handle.stats().since(&before);
    assert_eq!((nothing.requests(), nothing.admitted()), (0, 0));
    assert!(nothing.outcomes().all(|(_, count)| count == 0));

    handle.pause();
    serve(&mirror, &primary, get()).await.expect("an answer");
    handle.resume();
    for _ in 0..2 {
        serve(&mirror, &primary, get()).await.expect("an answer");
    }
    let running = handle.stats().since(&before);
    assert_eq!((running.requests(), running.in_flight()), (3, 2));
    assert_eq!(running.outcome(Outcome::Completed), 0);
    assert_eq!(running.buffered_bytes(), handle.stats().buffered_bytes());

    let since = settled(&handle, 6).await.since(&before);
    assert_eq!(
        (since.requests(), since.admitted(), since.in_flight()),
        (3, 2, 0)
    );
    assert_eq!(since.outcome(Outcome::Completed), 2);
    assert_eq!(since.outcome(Outcome::Paused), 1);
    assert_eq!(
        since.statuses(StatusClass::Success, StatusClass::Success),
        2
    );
    // A snapshot that is not earlier results in zeros, and never in a number below zero.
    assert_eq!(before.since(&handle.stats()).requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn statistics_can_be_serialized() {
    let primary = Primary::reading();
    let mirror = MirrorLayer::new(TestShadow::recording());
    serve(&mirror, &primary, get()).await.expect("an answer");
    let stats = settled(&mirror.handle(), 1).await;
    let mut shown = serde_json::to_value(&stats).expect("JSON");
    let outcomes = shown["outcomes"].take();
    let expected = json!({
        "requests": 1,
        "admitted": 1,
        "in_flight": 0,
        "buffered_bytes": 0,
        "observer_panics": 0,
        "outcomes": null,
        "statuses": { "2xx": { "2xx": 1 } },
    });
    assert_eq!(shown, expected);
    let outcomes = outcomes.as_object().expect("an object");
    assert_eq!(outcomes.len(), Outcome::ALL.len());
    for (outcome, count) in stats.outcomes() {
        assert_eq!(outcomes[outcome.as_str()], count);
        assert_eq!(
            serde_json::to_value(outcome).expect("JSON"),
            outcome.as_str()
        );
    }
}

/// Each of these methods accepts the types that `HeaderMap::insert` accepts.
#[tokio::test(start_paused = true)]
async fn header_names_are_what_a_header_map_takes() {
    let name = HeaderName::from_static("x-copy");
    let value = HeaderValue::from_static("a");
    let marks: [fn(MirrorBuilder, &HeaderName) -> MirrorBuilder; 3] = [
        |mirror, _| mirror.mark("x-copy"),
        |mirror, name| mirror.mark(name),
        |mirror, name| mirror.mark(name.clone()),
    ];
    for mark in marks {
        let shadow = TestShadow::recording();
        let mirror = mark(MirrorLayer::builder(shadow.share()), &name)
            .rewrite(rewrite::set_header("x-a", value.clone()))
            .rewrite(rewrite::remove_headers(["x-b"]))
            .rewrite(rewrite::remove_headers([&name]))
            .build();
        let mut request = get();
        request.headers_mut().insert("x-b", value.clone());
        serve(&mirror, &Primary::reading(), request)
            .await
            .expect("an answer");
        settled(&mirror.handle(), 1).await;
        let headers = shadow.one().head.headers;
        assert!(headers.contains_key("x-a") && !headers.contains_key("x-b"));
        // The mirror has inserted the mark again.
        let by = Mirrored::from_headers_named(&headers, "x-copy").expect("a copy");
        assert_eq!(by.mirror(), "mirror");
        assert_eq!(Mirrored::from_headers_named(&headers, &name), Some(by));
        assert_eq!(Mirrored::from_headers(&headers), None);
    }
    let invalid = catch_unwind(|| drop(rewrite::remove_headers(["not a name"])));
    assert!(invalid.is_err());
}
