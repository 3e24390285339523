//! Each outcome has one event.

use std::{io::ErrorKind, time::Duration};

use futures_util::FutureExt;
use http::HeaderValue;
use tower::{Layer, Service};
use tower_mirror::{BodyMode, MirrorLayer, Outcome, mirror::MirrorBuilder};
use tracing::{Instrument, Level, info_span};

use super::record::Records;
use tower_mirror_testing::*;

/// Sends one request and checks its outcome's event. It is in the span of the copy, or in the span
/// of the primary if there is no copy.
async fn tells(
    outcome: Outcome,
    level: Level,
    act: Act,
    settings: impl FnOnce(MirrorBuilder) -> MirrorBuilder,
    request: http::Request<Script>,
    primary: Primary,
) {
    let (records, _guard) = Records::begin();
    let mirror = settings(MirrorLayer::builder(TestShadow::new(act)).name("m")).build();
    let handle = mirror.handle();
    match outcome {
        Outcome::Paused => handle.pause(),
        Outcome::Draining => assert_eq!(handle.drain(Duration::ZERO).await.aborted, 0),
        _ => {}
    }
    let span = info_span!("the primary's");
    match outcome {
        Outcome::ClientAborted => {
            let mut service = mirror.layer(primary);
            let calling = span.in_scope(|| service.call(request));
            assert!(calling.now_or_never().is_none());
        }
        _ => drop(serve(&mirror, &primary, request).instrument(span).await),
    }
    if outcome == Outcome::Aborted {
        assert_eq!(handle.drain(Duration::ZERO).await.aborted, 1);
    }
    assert_only(&settled(&handle, 1).await, outcome);

    let events = records.events();
    assert_eq!(events.len(), 1, "{outcome}: {events:?}");
    let event = &events[0];
    assert_eq!(event.level, level, "{outcome}");
    assert_eq!(event.fields["mirror.name"], "m");
    assert_eq!(event.fields["mirror.outcome"], outcome.as_str());
    assert_eq!(event.fields["mirror.reason"], outcome.hint());
    let copies = records.copies();
    match copies.first() {
        None => assert_eq!(event.span, Some(records.named("the primary's")[0].id)),
        Some(copy) => {
            assert_eq!(event.span, Some(copy.id));
            assert!(copy.is_closed);
            assert_eq!(copy.fields["mirror.outcome"], outcome.as_str());
            let is_completed = outcome.as_str().starts_with("completed");
            // A copy that ended because of the primary, its client or a limit is not an error.
            let is_error =
                matches!(level, Level::ERROR | Level::WARN) && outcome != Outcome::BufferLimit;
            let error = copy.fields.get("error.type").map(String::as_str);
            assert_eq!(error, is_error.then_some(outcome.as_str()));
            let status = copy.fields.get("otel.status_code").map(String::as_str);
            assert_eq!(status, is_error.then_some("ERROR"), "{outcome}");
            assert_eq!(event.fields.contains_key("latency_seconds"), is_completed);
        }
    }
    let is_admitted = handle.stats().admitted() == 1;
    assert_eq!(copies.len(), usize::from(is_admitted), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn why_no_copy_is_begun() {
    use Outcome::*;
    type Settings = fn(MirrorBuilder) -> MirrorBuilder;
    let rows: [(Outcome, Level, Settings); 10] = [
        (Filtered, Level::TRACE, |mirror| mirror.filter(|_| false)),
        (Paused, Level::TRACE, |mirror| mirror),
        (Loop, Level::TRACE, |mirror| mirror),
        (Upgrade, Level::TRACE, |mirror| mirror),
        (TransferCoding, Level::TRACE, |mirror| mirror),
        (Draining, Level::TRACE, |mirror| mirror),
        (InFlightLimit, Level::WARN, |mirror| mirror.max_in_flight(0)),
        (BufferLimit, Level::WARN, |mirror| {
            mirror.max_buffered_bytes(1)
        }),
        (TooLarge, Level::DEBUG, |mirror| mirror.max_body_bytes(1)),
        (PolicyPanicked, Level::ERROR, |mirror| {
            mirror.filter(|_| panic!("a deliberate panic in a filter"))
        }),
    ];
    for (outcome, level, settings) in rows {
        let mut request = post(Script::chunks([10]).knowing_length());
        let one = HeaderValue::from_static("1");
        match outcome {
            Loop => drop(request.headers_mut().insert("x-mirrored-by", one)),
            Upgrade => *request.method_mut() = http::Method::CONNECT,
            TransferCoding => drop(request.headers_mut().insert("transfer-encoding", one)),
            _ => {}
        }
        let act = Act::Answers(200);
        tells(outcome, level, act, settings, request, Primary::reading()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_copy() {
    use Outcome::*;
    let io = |kind| Act::Fails(Place::Future, Fault::Io(kind));
    let rows = [
        (Completed, Level::DEBUG, Act::Answers(200)),
        (CompletedTruncated, Level::DEBUG, Act::AnswersAtLength(4096)),
        (FailedConnect, Level::WARN, io(ErrorKind::ConnectionRefused)),
        (FailedTransport, Level::WARN, io(ErrorKind::ConnectionReset)),
        (
            FailedService,
            Level::WARN,
            Act::Fails(Place::Ready, Fault::Own),
        ),
        (TimedOut, Level::WARN, Act::Hangs(Place::Call)),
        (Aborted, Level::WARN, Act::Hangs(Place::Call)),
        (Panicked, Level::ERROR, Act::Panics(Place::Call)),
    ];
    for (outcome, level, act) in rows {
        let settings = |mirror: MirrorBuilder| mirror.max_response_bytes(1024);
        tells(outcome, level, act, settings, get(), Primary::reading()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_body() {
    use Outcome::*;
    let hanging = || Script::chunks([5]).then(Step::Hang);
    let rows = [
        (
            Unread,
            Level::DEBUG,
            Script::chunks([5]),
            Primary::ignoring(),
        ),
        (
            BodyError,
            Level::DEBUG,
            Script::chunks([5]).then(Step::Error),
            Primary::reading(),
        ),
        (ClientAborted, Level::DEBUG, hanging(), Primary::reading()),
        (
            TooLarge,
            Level::DEBUG,
            Script::chunks([5, 50]),
            Primary::reading(),
        ),
        (
            Lagged,
            Level::WARN,
            Script::chunks([5, 50]),
            Primary::reading(),
        ),
        (
            BufferLimit,
            Level::WARN,
            Script::chunks([5, 5000]),
            Primary::reading(),
        ),
    ];
    for (outcome, level, body, primary) in rows {
        let settings = |mirror: MirrorBuilder| match outcome {
            Lagged => mirror.body_mode(BodyMode::Streaming).lag_window(10, 10),
            BufferLimit => mirror.max_buffered_bytes(10_000),
            _ => mirror.max_body_bytes(10),
        };
        let act = Act::Answers(200);
        tells(outcome, level, act, settings, post(body), primary).await;
    }
}
