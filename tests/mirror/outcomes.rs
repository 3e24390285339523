//! M4: each reason why a copy is not sent has its name and its place in the order, and is counted
//! once.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::{Method, Request, Response};
use tokio::{sync::oneshot, time::Instant};
use tower::{Layer, Service, service_fn};
use tower_mirror::{Draw, MirrorLayer, Outcome, SampleRate, TeeBody, mirror::MirrorBuilder};
use tower_mirror_testing::*;

fn recording() -> MirrorBuilder {
    MirrorLayer::builder(TestShadow::recording())
}

#[test]
fn the_names_are_these() {
    let names: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.as_str())
        .collect();
    let not_sent = "filtered not_sampled paused loop upgrade transfer_coding in_flight_limit buffer_limit too_large unread \
        client_aborted body_error no_runtime draining policy_panicked";
    let sent = "completed completed_truncated failed_connect failed_transport response_head_too_large failed_service \
        timed_out lagged panicked aborted";
    assert_eq!(names.join(" "), format!("{not_sent} {sent}"));
    let stats = recording().build().handle().stats();
    assert!(
        stats
            .outcomes()
            .map(|(outcome, _)| outcome)
            .eq(Outcome::ALL.iter().copied())
    );
    assert!(stats.outcomes().all(|(_, count)| count == 0));
}

#[tokio::test(start_paused = true)]
async fn reasons_are_found_in_this_order_and_only_the_draw_advances_the_draw() {
    let observer = RecordingObserver::default();
    let mirror = recording()
        .filter(|head| !head.headers.contains_key("x-refused"))
        .sample_rate(SampleRate::percent(50.0).unwrap())
        .draw(Draw::sequence([u64::MAX, 0]))
        .max_in_flight(0)
        .observe_with(observer.clone())
        .build();
    let handle = mirror.handle();
    let all = ["x-refused", "x-mirrored-by", "transfer-encoding"];
    let request = |headers: &[&str]| {
        let mut request = get();
        if headers == ["CONNECT"] {
            *request.method_mut() = Method::CONNECT;
            return request;
        }
        for header in headers {
            let name: http::HeaderName = header.parse().expect("a name");
            request
                .headers_mut()
                .insert(name, "1".parse().expect("a value"));
        }
        request
    };
    let mut service = mirror.layer(Primary::reading());
    let mut expected = Vec::new();
    for _ in 0..3 {
        handle.pause();
        assert!(handle.is_paused());
        drop(service.call(request(&all)));
        handle.resume();
        for headers in [&all[..], &all[1..], &["CONNECT"], &all[2..], &[], &[]] {
            drop(service.call(request(headers)));
        }
        expected.extend([
            Outcome::Paused,
            Outcome::Filtered,
            Outcome::Loop,
            Outcome::Upgrade,
            Outcome::TransferCoding,
            Outcome::NotSampled,
            Outcome::InFlightLimit,
        ]);
    }
    handle.pause();
    let _ = handle.drain(Duration::ZERO).await;
    drop(service.call(request(&all)));
    handle.resume();
    drop(service.call(request(&[])));
    expected.extend([Outcome::Draining; 2]);

    let skips: Vec<_> = observer
        .skips()
        .into_iter()
        .map(|(outcome, _)| outcome)
        .collect();
    assert_eq!(skips, expected);
    assert_adds_up(&handle.stats(), expected.len() as u64);
    assert_eq!(observer.reports().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn at_both_ends_nothing_is_drawn() {
    let mirror = recording().draw(Draw::sequence([0, u64::MAX])).build();
    let mut service = mirror.layer(Primary::reading());
    for rate in [SampleRate::ALL, SampleRate::NONE, SampleRate::ALL] {
        mirror.handle().set_sample_rate(rate);
        drop(service.call(get()));
    }
    mirror
        .handle()
        .set_sample_rate(SampleRate::percent(50.0).unwrap());
    drop(service.call(get()));
    drop(service.call(get()));
    let stats = settled(&mirror.handle(), 5).await;
    assert_eq!(stats.outcome(Outcome::NotSampled), 2);
    assert_eq!(stats.outcome(Outcome::Completed), 3);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_not_begun() {
    const HEAD: usize = 8 * 1024;
    type Settings = fn(MirrorBuilder) -> MirrorBuilder;
    let cases: [(Settings, Script, Outcome); 8] = [
        (
            |mirror| mirror.max_in_flight(0),
            Script::chunks([1]),
            Outcome::InFlightLimit,
        ),
        (
            |mirror| mirror.max_buffered_bytes(HEAD - 1),
            Script::default(),
            Outcome::BufferLimit,
        ),
        (
            |mirror| mirror.max_buffered_bytes(HEAD),
            Script::default(),
            Outcome::Completed,
        ),
        (
            |mirror| mirror.max_buffered_bytes(HEAD + 100),
            Script::chunks([100]).knowing_length(),
            Outcome::BufferLimit,
        ),
        (
            |mirror| mirror.max_buffered_bytes(HEAD + 164),
            Script::chunks([100]).knowing_length(),
            Outcome::Completed,
        ),
        (
            |mirror| mirror.max_buffered_bytes(HEAD + 10_063),
            Script::chunks([10_000]).knowing_length(),
            Outcome::BufferLimit,
        ),
        (
            |mirror| mirror.max_buffered_bytes(HEAD + 10_064),
            Script::chunks([10_000]).knowing_length(),
            Outcome::Completed,
        ),
        (
            |mirror| mirror.max_body_bytes(9),
            Script::chunks([10]).knowing_length(),
            Outcome::TooLarge,
        ),
    ];
    for (settings, script, outcome) in cases {
        let mirror = settings(recording()).build();
        let primary = Primary::reading();
        let answer = mirror.layer(primary.clone()).call(post(script));
        if outcome != Outcome::Completed {
            assert_only(&mirror.handle().stats(), outcome);
            assert_eq!(mirror.handle().stats().admitted(), 0);
        }
        answer.await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, outcome);
        assert_eq!(primary.one().1.end, End::Whole);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_read_whole_has_no_copy() {
    let two = || Script::chunks([5, 5]);
    let broken = || Script::chunks([5]).then(Step::Error);
    let cases = [
        (two(), Reads::Frames(0), Then::Answers(401), Outcome::Unread),
        // The primary has not begun to read, so it is not known whether it has consumed the body.
        (two(), Reads::Frames(0), Then::Answers(200), Outcome::Unread),
        // The primary stopped at its own end marker, and accepted the bytes that it had read.
        (
            two(),
            Reads::Frames(1),
            Then::Answers(200),
            Outcome::Completed,
        ),
        (
            two(),
            Reads::Frames(2),
            Then::Answers(303),
            Outcome::Completed,
        ),
        (two(), Reads::Frames(1), Then::Answers(401), Outcome::Unread),
        (two(), Reads::Frames(2), Then::Answers(500), Outcome::Unread),
        (two(), Reads::Frames(1), Then::Fails, Outcome::Unread),
        (
            two().knowing_end(),
            Reads::Frames(2),
            Then::Answers(200),
            Outcome::Completed,
        ),
        (two(), Reads::All, Then::Fails, Outcome::Completed),
        (broken(), Reads::All, Then::Answers(400), Outcome::BodyError),
        (
            broken(),
            Reads::Frames(1),
            Then::Answers(200),
            Outcome::Unread,
        ),
    ];
    for (script, reads, then, outcome) in cases {
        let observer = RecordingObserver::default();
        let mirror = recording().observe_with(observer.clone()).build();
        let answer = serve(&mirror, &Primary::new(reads, then), post(script)).await;
        assert_only(&settled(&mirror.handle(), 1).await, outcome);

        let report = observer.report();
        assert_eq!(report.outcome, outcome);
        assert_eq!(
            report.primary.status,
            answer.ok().map(|answer| answer.status())
        );
        assert_eq!(report.shadow.sent, outcome == Outcome::Completed);
        assert_eq!(observer.skips(), [], "the request was admitted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_primary_holds_and_drops_was_unread() {
    let mirror = recording().build();
    let (drop_it, dropped) = oneshot::channel::<()>();
    let dropped = Arc::new(tokio::sync::Mutex::new(Some(dropped)));
    let primary = service_fn(move |request: Request<TeeBody<Script>>| {
        let dropped = Arc::clone(&dropped);
        tokio::spawn(async move {
            let dropped = dropped.lock().await.take().expect("one request");
            let _ = dropped.await;
            drop(request);
        });
        async { Ok::<_, Broken>(Response::new(())) }
    });
    let request = post(Script::chunks([5]));
    mirror.layer(primary).call(request).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(mirror.handle().stats().in_flight(), 1);
    drop_it.send(()).unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Unread);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_before_its_body_is_whole_aborts_the_copy() {
    let still_sending = || Script::chunks([5]).then(Step::Hang);
    let cases = [
        (still_sending(), Reads::All, Outcome::ClientAborted),
        // The primary has dropped the body before the client disconnected.
        (still_sending(), Reads::Frames(1), Outcome::Unread),
        (Script::chunks([5]), Reads::All, Outcome::Completed),
    ];
    // An offer to upgrade that the primary has not accepted has no influence.
    let both = [false, true].into_iter();
    for ((script, reads, outcome), offers_upgrade) in cases
        .iter()
        .flat_map(|case| both.clone().map(move |offers| (case, offers)))
    {
        let observer = RecordingObserver::default();
        let mirror = recording().observe_with(observer.clone()).build();
        let primary = Primary::new(*reads, Then::Hangs);
        let mut request = post(script.clone());
        if offers_upgrade {
            let h2c = http::HeaderValue::from_static("h2c");
            request.headers_mut().insert(http::header::UPGRADE, h2c);
        }
        let answer = mirror.layer(primary).call(request);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), answer)
                .await
                .is_err()
        );
        assert_only(&settled(&mirror.handle(), 1).await, *outcome);
        let report = observer.report();
        assert_eq!(report.primary.status, None);
        assert_eq!(report.primary.latency, Duration::from_secs(1));
    }

    // The future is dropped before it is polled.
    let mirror = recording().build();
    drop(
        mirror
            .layer(Primary::reading())
            .call(post(Script::chunks([5]))),
    );
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::ClientAborted);
}

#[tokio::test(start_paused = true)]
async fn the_copy_of_a_silent_upload_ends_at_its_deadline() {
    let observer = RecordingObserver::default();
    let mirror = recording()
        .capture_timeout(Duration::from_secs(7))
        .observe_with(observer.clone())
        .build();
    let (feed, body) = Feed::new();
    let primary = Primary::reading();
    let request = Request::post("/").body(body).unwrap();
    let begun = Instant::now();
    let answer = tokio::spawn(mirror.layer(primary.clone()).call(request));
    feed.send(pattern(5)).unwrap();

    assert_only(&settled(&mirror.handle(), 1).await, Outcome::TimedOut);
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    assert!(observer.reports().is_empty(), "the primary has not ended");
    feed.send(pattern(5)).unwrap();
    drop(feed);
    answer.await.unwrap().unwrap();
    assert_eq!(primary.one().1.bytes().len(), 10);
    let shadow = observer.report().shadow;
    assert!(!shadow.sent && shadow.total.is_none() && shadow.status.is_none());
}

#[test]
fn outside_a_runtime_there_is_no_copy() {
    let observer = RecordingObserver::default();
    let mirror = recording().observe_with(observer.clone()).build();
    let (primary, body) = (Primary::reading(), Script::chunks([5]));
    let answer = serve(&mirror, &primary, post(body)).now_or_never();
    assert_eq!(answer.unwrap().unwrap().status(), 200);
    let stats = settled(&mirror.handle(), 1).now_or_never().unwrap();
    assert_only(&stats, Outcome::NoRuntime);
    assert_eq!(observer.skips(), [(Outcome::NoRuntime, "/".to_owned())]);
    assert_eq!(primary.one().1.bytes().len(), 5);
}

#[test]
fn in_a_runtime_without_timers_there_is_no_copy() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = MirrorLayer::new(shadow.share());
    runtime.unwrap().block_on(async {
        let request = post(Script::chunks([5]));
        serve(&mirror, &primary, request).await.unwrap();
        serve(&mirror, &primary, get()).await.unwrap();
        let stats = settled(&mirror.handle(), 2).await;
        assert_eq!(stats.outcome(Outcome::NoRuntime), 2);
        assert_eq!(mirror.handle().drain(Duration::MAX).await.aborted, 0);
    });
    assert!(shadow.copies().is_empty());
}

/// While threads send requests, no snapshot contradicts itself or an earlier snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_snapshot_adds_up() {
    const EACH: u64 = 400;
    let mirror = recording()
        .sample_rate(SampleRate::percent(50.0).unwrap())
        .max_in_flight(8)
        .build();
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let (mirror, primary) = (mirror.clone(), Primary::reading());
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let request = post(Script::chunks([5]));
                    serve(&mirror, &primary, request).await.expect("an answer");
                }
            })
        })
        .collect();
    let handle = mirror.handle();
    let mut last = handle.stats();
    while !senders.iter().all(|sender| sender.is_finished()) {
        let stats = handle.stats();
        assert_adds_up(&stats, stats.requests());
        assert!(stats.requests() >= last.requests());
        let pairs = stats.outcomes().zip(last.outcomes());
        assert!({ pairs }.all(|((_, now), (_, before))| now >= before));
        last = stats;
        tokio::task::yield_now().await;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let stats = settled(&handle, 3 * EACH).await;
    assert!(stats.outcome(Outcome::Completed) > 0);
}
