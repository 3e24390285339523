//! M4, M9, M11: the outcomes of copies that were sent, and the reports on both sides.

use std::{io::ErrorKind, time::Duration};

use http::Request;
use tokio::time::Instant;
use tower::{Layer, Service};
use tower_mirror::{HostRewrite, MirrorLayer, Outcome, Report, observe::StatusClass};
use tower_mirror_testing::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends one POST with five bytes to a shadow that behaves in this way.
async fn sent_to(act: Act) -> Report {
    let observer = RecordingObserver::default();
    let mirror = MirrorLayer::builder(TestShadow::new(act))
        .observe_with(observer.clone())
        .build();
    let primary = Primary::reading();
    let answer = serve(&mirror, &primary, post(Script::chunks([5]))).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    let stats = settled(&mirror.handle(), 1).await;
    let report = observer.report();
    assert_only(&stats, report.outcome);
    assert_eq!(report.primary.latency, Duration::ZERO);
    report
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_fails() {
    use ErrorKind::*;
    use Fault::*;
    use Outcome::{FailedConnect, FailedService, FailedTransport};
    let cases = [
        (Place::Ready, Io(ConnectionRefused), FailedConnect),
        (Place::Ready, Io(TimedOut), FailedConnect),
        (Place::Ready, Wrapped(ConnectionReset), FailedConnect),
        (Place::Ready, Own, FailedService),
        (Place::Call, Io(ConnectionRefused), FailedConnect),
        (Place::Call, Wrapped(ConnectionRefused), FailedConnect),
        (Place::Call, Io(HostUnreachable), FailedConnect),
        (Place::Call, Io(NetworkUnreachable), FailedConnect),
        (Place::Call, Io(AddrNotAvailable), FailedConnect),
        (Place::Call, Io(ConnectionReset), FailedTransport),
        (Place::Call, Wrapped(BrokenPipe), FailedTransport),
        (Place::Call, Io(UnexpectedEof), FailedTransport),
        (Place::Call, Own, FailedService),
        (Place::Body, Own, FailedTransport),
        (Place::Body, Io(ConnectionReset), FailedTransport),
    ];
    for (place, fault, outcome) in cases {
        let case = format!("{place:?} {fault:?}");
        let report = sent_to(Act::Fails(place, fault)).await;
        assert_eq!(report.outcome, outcome, "{case}");
        let shadow = report.shadow;
        assert_eq!(shadow.sent, place != Place::Ready, "{case}");
        let is_answered = place == Place::Body;
        assert_eq!(shadow.status.is_some(), is_answered, "{case}");
        assert_eq!(shadow.latency.is_some(), is_answered, "{case}");
        assert_eq!(shadow.response_bytes, if is_answered { 10 } else { 0 });
        assert_eq!(
            (shadow.total, shadow.request_bytes),
            (Some(Duration::ZERO), 5)
        );
        let said = match fault {
            Own => "overloaded".to_owned(),
            Io(kind) => kind.to_string(),
            Wrapped(kind) => format!("client error: {kind}"),
        };
        assert_eq!(shadow.error, Some(said), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_hangs() {
    for place in [Place::Ready, Place::Call, Place::Body] {
        let report = sent_to(Act::Hangs(place)).await;
        assert_eq!(report.outcome, Outcome::TimedOut);
        let shadow = report.shadow;
        assert_eq!(shadow.total, Some(TIMEOUT), "{place:?}");
        assert_eq!(shadow.sent, place != Place::Ready);
        let known = shadow.status.map(|status| status.as_u16());
        assert_eq!(known, (place == Place::Body).then_some(203));
        assert_eq!(shadow.error, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_panics() {
    for place in [
        Place::Clone,
        Place::Ready,
        Place::Call,
        Place::Future,
        Place::Body,
    ] {
        let report = sent_to(Act::Panics(place)).await;
        assert_eq!(report.outcome, Outcome::Panicked, "{place:?}");
        let known = report.shadow.status.map(|status| status.as_u16());
        assert_eq!(known, (place == Place::Body).then_some(203));
    }
    let mirror = || MirrorLayer::builder(TestShadow::recording());
    let rewrites = [
        mirror().rewrite(|_| panic!("a deliberate panic")),
        mirror().host_rewrite(HostRewrite::map(|_| panic!("a deliberate panic"))),
    ];
    for mirror in rewrites {
        let mirror = mirror.build();
        let request = Request::get("http://c/").body(Script::default()).unwrap();
        serve(&mirror, &Primary::reading(), request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::Panicked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_answers() {
    const CAP: usize = 1 << 20;
    let cases = [
        (Act::Answers(200), Outcome::Completed, 200, 0),
        (Act::Answers(503), Outcome::Completed, 503, 0),
        (Act::AnswersAtLength(CAP), Outcome::Completed, 200, CAP),
        (
            Act::AnswersAtLength(CAP + 1),
            Outcome::CompletedTruncated,
            200,
            CAP + 1,
        ),
        (
            Act::Endless(1024),
            Outcome::CompletedTruncated,
            200,
            CAP + 1024,
        ),
    ];
    for (act, outcome, status, bytes) in cases {
        let report = sent_to(act).await;
        assert_eq!(report.outcome, outcome, "{act:?}");
        assert_eq!(report.shadow.status.unwrap(), status);
        assert_eq!(report.shadow.response_bytes, bytes as u64, "{act:?}");
        assert_eq!(report.shadow.latency, Some(Duration::ZERO));
        assert!(report.shadow.sent && report.shadow.error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_exchange_begins_where_the_body_ends() {
    let seconds = Duration::from_secs;
    let cases = [
        (seconds(5) - Duration::from_millis(1), Outcome::Completed),
        // A result that is ready at the deadline is not lost.
        (seconds(5), Outcome::Completed),
        (seconds(5) + Duration::from_millis(1), Outcome::TimedOut),
    ];
    for (pause, outcome) in cases {
        let observer = RecordingObserver::default();
        let mirror = MirrorLayer::builder(TestShadow::new(Act::AnswersAfter(pause)))
            .observe_with(observer.clone())
            .build();
        let (feed, body) = Feed::new();
        let request = Request::post("/").body(body).unwrap();
        let answer = tokio::spawn(mirror.layer(Primary::reading()).call(request));
        tokio::time::sleep(seconds(29)).await; // a capture may take thirty seconds
        drop(feed);
        answer.await.unwrap().unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, outcome);

        let report = observer.report();
        assert_eq!(report.primary.latency, seconds(29));
        assert_eq!(report.shadow.total, Some(pause.min(TIMEOUT)));
        let answered = (outcome == Outcome::Completed).then_some(pause);
        assert_eq!(report.shadow.latency, answered);
    }
}

#[tokio::test(start_paused = true)]
async fn deadlines_without_end_are_allowed() {
    let mirror = MirrorLayer::builder(TestShadow::new(Act::AnswersAfter(Duration::from_secs(
        9_999,
    ))))
    .timeout(Duration::MAX)
    .capture_timeout(Duration::MAX)
    .build();
    for request in [post(Script::chunks([5])), get()] {
        serve(&mirror, &Primary::reading(), request).await.unwrap();
    }
    let stats = settled(&mirror.handle(), 2).await;
    assert_eq!(stats.outcome(Outcome::Completed), 2);
    assert_eq!(mirror.handle().drain(Duration::MAX).await.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn the_report_waits_for_whichever_side_ends_last() {
    let seconds = Duration::from_secs;
    for (primary, shadow) in [(1, 3), (3, 1), (2, 2)] {
        let observer = RecordingObserver::default();
        let mirror = MirrorLayer::builder(TestShadow::new(Act::AnswersAfter(seconds(shadow))))
            .name("catalog-v2")
            .route_label(|head| Some(head.uri.path().to_owned()))
            .observe_with(observer.clone())
            .build();
        let slow = Primary::new(Reads::All, Then::AnswersAfter(seconds(primary)));
        let begun = Instant::now();
        let answer = tokio::spawn(mirror.layer(slow).call(post(Script::chunks([5]))));
        let last = seconds(primary.max(shadow));
        tokio::time::sleep(last - Duration::from_millis(1)).await;
        assert!(observer.reports().is_empty());
        answer.await.unwrap().unwrap();
        settled(&mirror.handle(), 1).await;
        assert_eq!(begun.elapsed(), last);

        let report = observer.report();
        assert_eq!(
            (&*report.mirror, report.route.as_deref()),
            ("catalog-v2", Some("/"))
        );
        assert_eq!(report.primary.latency, seconds(primary));
        assert_eq!(report.primary.status.unwrap(), 200);
        assert_eq!(report.shadow.latency, Some(seconds(shadow)));
        assert_eq!(report.shadow.status.unwrap(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_counted_before_the_observer_is_called() {
    let (say, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let counted = std::sync::Arc::new(std::sync::OnceLock::new());
    let handle = std::sync::Arc::clone(&counted);
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .observer(move |report| {
            let handle: &tower_mirror::MirrorHandle = handle.get().expect("set below");
            let stats = handle.stats();
            let matrix = stats.statuses(StatusClass::Success, StatusClass::Success);
            let seen = (stats.outcome(report.outcome), stats.in_flight(), matrix);
            say.send(seen).expect("the test listens");
        })
        .build();
    counted.set(mirror.handle()).unwrap();
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    assert_eq!(heard.recv().await, Some((1, 0, 1)));
}

#[tokio::test(start_paused = true)]
async fn both_statuses_are_counted_together() {
    use StatusClass::*;
    let primaries = [
        (Then::Answers(204), Success),
        (Then::Answers(302), Redirection),
        (Then::Answers(404), ClientError),
        (Then::Answers(500), ServerError),
        (Then::Answers(999), Other),
        (Then::Fails, NoAnswer),
    ];
    let shadows = [
        (Act::Answers(101), Informational),
        (Act::Answers(200), Success),
        (Act::Answers(599), ServerError),
        (Act::Hangs(Place::Body), Success),
        (Act::Hangs(Place::Call), NoAnswer),
    ];
    for (then, primary) in primaries {
        for (act, shadow) in shadows {
            let mirror = MirrorLayer::new(TestShadow::new(act));
            let _ = serve(&mirror, &Primary::new(Reads::All, then), get()).await;
            let stats = settled(&mirror.handle(), 1).await;
            for &one in StatusClass::ALL {
                for &other in StatusClass::ALL {
                    let expected = u64::from((one, other) == (primary, shadow));
                    assert_eq!(stats.statuses(one, other), expected, "{then:?} {act:?}");
                }
            }
            let table = stats.to_string();
            let lines: Vec<_> = table.lines().collect();
            assert_eq!(lines.len(), 4, "{table}");
            assert!(lines[2].contains(&format!("shadow {shadow}")), "{table}");
            assert!(
                lines[3].trim_start().starts_with(primary.as_str()),
                "{table}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_names_what_happened_and_hints_at_why() {
    let mirror = MirrorLayer::new(TestShadow::new(Act::Answers(502)));
    assert_eq!(
        mirror.handle().stats().to_string(),
        "0 requests, 0 copies in flight holding 0 bytes\n"
    );
    let primary = Primary::reading();
    for _ in 0..3 {
        serve(&mirror, &primary, get()).await.unwrap();
    }
    let unread = post(Script::chunks([5]));
    serve(&mirror, &Primary::ignoring(), unread).await.unwrap();
    mirror.handle().wait_idle().await;
    mirror.handle().pause();
    serve(&mirror, &primary, get()).await.unwrap();

    let table = mirror.handle().stats().to_string();
    assert!(
        table.starts_with("5 requests, 0 copies in flight holding 0 bytes\n"),
        "{table}"
    );
    for outcome in [Outcome::Paused, Outcome::Unread, Outcome::Completed] {
        let line = table
            .lines()
            .find(|line| line.contains(outcome.as_str()))
            .unwrap();
        assert!(line.contains(outcome.hint()), "{line}");
    }
    assert!(
        !table.contains("lagged"),
        "outcomes that did not occur are omitted"
    );
    for &outcome in Outcome::ALL {
        assert!(!outcome.hint().is_empty());
    }
}
