//! Each mirror writes at most ten lines per minute for each outcome.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    time::{Instant, advance},
};
use tower::{Layer, Service};
use tower_mirror::{MirrorLayer, Outcome};
use tracing::{Dispatch, Level, dispatcher, subscriber::NoSubscriber};
use tracing_subscriber::{Registry, filter::Targets, layer::Layered, prelude::*};

use super::record::{RecordedEvent, Records};
use tower_mirror_testing::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A mirror that admits no copy, because its limit for copies in flight is zero.
fn full() -> MirrorLayer {
    let builder = MirrorLayer::builder(TestShadow::recording());
    builder.max_in_flight(0).build()
}

/// Sends one request after the other. No request waits, because none has a copy.
fn send(mirror: &MirrorLayer, requests: usize) {
    let mut service = mirror.layer(Primary::reading());
    for _ in 0..requests {
        let answer = service.call(get()).now_or_never();
        assert!(answer.is_some_and(|answer| answer.is_ok()));
    }
}

fn omitted(line: &RecordedEvent) -> Option<u64> {
    let omitted = line.fields.get("omitted");
    omitted.map(|omitted| omitted.parse().unwrap())
}

/// Returns for each line of this outcome the number of omitted lines that it reports.
fn lines(records: &Records, outcome: Outcome) -> Vec<Option<u64>> {
    let mut lines = records.events();
    lines.retain(|line| line.fields["mirror.outcome"] == outcome.as_str());
    lines.iter().map(omitted).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_in_a_minute_are_ten_lines_and_the_next_says_what_it_omits() {
    let (records, _guard) = Records::begin();
    let mirror = full();
    for _ in 0..1000 {
        send(&mirror, 1);
        advance(MINUTE / 1000).await;
    }
    let mut expected = vec![None; 10];
    assert_eq!(lines(&records, Outcome::InFlightLimit), expected);
    assert!(
        records
            .events()
            .iter()
            .all(|line| line.level == Level::WARN)
    );

    send(&mirror, 1);
    expected.push(Some(990));
    assert_eq!(lines(&records, Outcome::InFlightLimit), expected);

    // In the following ten minutes no line is omitted, so none is reported, except in the last
    // minute, which has too many requests.
    for minute in 0..10 {
        advance(MINUTE).await;
        let requests = if minute == 9 { 25 } else { 10 };
        send(&mirror, requests);
        expected.extend([None; 10]);
        assert_eq!(
            lines(&records, Outcome::InFlightLimit),
            expected,
            "{minute}"
        );
    }
    advance(MINUTE).await;
    send(&mirror, 1);
    expected.push(Some(15));
    assert_eq!(lines(&records, Outcome::InFlightLimit), expected);
    let stats = settled(&mirror.handle(), 1117).await;
    assert_eq!(stats.outcome(Outcome::InFlightLimit), 1117);
}

#[tokio::test(start_paused = true)]
async fn no_minute_has_more_than_ten_whenever_it_begins() {
    let (records, _guard) = Records::begin();
    let (mirror, begun) = (full(), Instant::now());
    let (mut written, mut state) = (Vec::new(), 7_u64);
    const REQUESTS: usize = 3000;
    for _ in 0..REQUESTS {
        // The pauses are from zero to twelve seconds and come in bursts. The generator is from
        // Knuth.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let millis = (state >> 33) % 12_000;
        advance(Duration::from_millis(if millis < 9000 {
            millis / 100
        } else {
            millis
        }))
        .await;
        send(&mirror, 1);
        let count = records.events().len();
        written.resize(count, begun.elapsed());
    }
    for (eleventh, first) in written[10..].iter().zip(&written) {
        assert!(*eleventh - *first >= MINUTE, "{first:?} to {eleventh:?}");
    }
    // All lines that were omitted before the last line are counted.
    advance(MINUTE).await;
    send(&mirror, 1);
    let lines = lines(&records, Outcome::InFlightLimit);
    let omitted: u64 = lines.iter().flatten().sum();
    assert!(
        omitted > 100 && lines.len() > 100,
        "{omitted}, {}",
        lines.len()
    );
    assert_eq!(lines.len() as u64 + omitted, REQUESTS as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn neither_two_outcomes_nor_two_mirrors_share_an_allowance() {
    let (records, _guard) = Records::begin();
    let breaks = Arc::new(AtomicBool::new(false));
    let panics = Arc::clone(&breaks);
    let one = MirrorLayer::builder(TestShadow::recording())
        .max_in_flight(0)
        .filter(move |_| {
            assert!(!panics.load(Relaxed), "a deliberate panic in a filter");
            true
        })
        .build();
    send(&one, 15);
    breaks.store(true, Relaxed);
    send(&one, 12);
    assert_eq!(lines(&records, Outcome::InFlightLimit).len(), 10);
    assert_eq!(lines(&records, Outcome::PolicyPanicked).len(), 10);
    send(&full(), 30);
    assert_eq!(lines(&records, Outcome::InFlightLimit).len(), 20);

    advance(MINUTE).await;
    send(&one, 1);
    breaks.store(false, Relaxed);
    send(&one, 1);
    assert_eq!(lines(&records, Outcome::PolicyPanicked)[10], Some(2));
    assert_eq!(lines(&records, Outcome::InFlightLimit)[20], Some(5));
}

#[tokio::test(start_paused = true)]
async fn lines_of_copies_are_limited_and_events_below_warnings_are_not() {
    let (records, _guard) = Records::begin();
    for (act, outcome, expected) in [
        (Act::Hangs(Place::Call), Outcome::TimedOut, 10),
        (Act::Answers(200), Outcome::Completed, 30),
    ] {
        let mirror = MirrorLayer::new(TestShadow::new(act));
        for _ in 0..30 {
            serve(&mirror, &Primary::reading(), get()).await.unwrap();
        }
        settled(&mirror.handle(), 30).await;
        assert_eq!(lines(&records, outcome), vec![None; expected]);
    }
    // All spans exist, each with its outcome.
    let copies = records.copies();
    assert_eq!(copies.len(), 60);
    assert!(
        copies
            .iter()
            .all(|copy| copy.fields.contains_key("mirror.outcome"))
    );
}

fn only_of_others() -> Targets {
    Targets::new()
        .with_default(Level::TRACE)
        .with_target("tower_mirror", Level::ERROR)
}

#[tokio::test(start_paused = true)]
async fn a_line_without_a_subscriber_does_not_count() {
    let mirror = full();
    let (records, _guard) = Records::begin();
    let unwanted = [
        Dispatch::new(NoSubscriber::new()),
        Dispatch::new(tracing_subscriber::registry().with(only_of_others())),
    ];
    for dispatch in &unwanted {
        dispatcher::with_default(dispatch, || send(&mirror, 100));
    }
    send(&mirror, 10);
    assert_eq!(lines(&records, Outcome::InFlightLimit), vec![None; 10]);
}

#[tokio::test(start_paused = true)]
async fn what_is_omitted_takes_no_event_of_others_from_a_layer() {
    let (narrow, wide) = (Records::default(), Records::default());
    let subscriber: Layered<_, Layered<_, Registry>> = tracing_subscriber::registry()
        .with(narrow.clone().with_filter(only_of_others()))
        .with(
            wide.clone()
                .with_filter(Targets::new().with_default(Level::TRACE)),
        );
    let _guard = tracing::subscriber::set_default(subscriber);
    let mirror = full();
    for _ in 0..100 {
        send(&mirror, 1);
        tracing::event!(target: "tower_mirror::others", Level::ERROR, mirror.outcome = "other");
    }
    let other = |records: &Records| {
        let events = records.events();
        let others = events
            .iter()
            .filter(|event| event.target == "tower_mirror::others");
        others.count()
    };
    assert_eq!((other(&narrow), other(&wide)), (100, 100));
    assert_eq!(lines(&narrow, Outcome::InFlightLimit).len(), 0);
    assert_eq!(lines(&wide, Outcome::InFlightLimit).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn threads_that_fail_at_once_write_ten_lines_together() {
    let (records, _guard) = Records::begin();
    let subscriber = dispatcher::get_default(Dispatch::clone);
    let (mirror, runtime) = (full(), Handle::current());
    const THREADS: usize = 4;
    let begin = Barrier::new(THREADS);
    for round in 1..=100 {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    // This is measured with the paused clock of the test.
                    let _entered = runtime.enter();
                    begin.wait();
                    dispatcher::with_default(&subscriber, || send(&mirror, 25));
                });
            }
        });
        assert_eq!(records.events().len(), 10 * round);
        advance(MINUTE).await;
    }
    send(&mirror, 1);
    let lines = lines(&records, Outcome::InFlightLimit);
    let omitted: u64 = lines.iter().flatten().sum();
    assert_eq!((lines.len(), omitted), (1001, 9000));
}
