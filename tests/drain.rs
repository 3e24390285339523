//! M10: it ends well. And M4 where it ends badly, with its runtime.

mod support;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use support::*;
use tokio::{runtime, time::Instant};
use tower::{Layer, Service};
use tower_mirror::{MirrorHandle, MirrorLayer, Outcome, RequestHead};

const SECOND: Duration = Duration::from_secs(1);

fn to(act: Act) -> MirrorLayer {
    MirrorLayer::builder(TestShadow::new(act))
        .timeout(60 * SECOND)
        .build()
}

async fn send(mirror: &MirrorLayer, count: u64) {
    for _ in 0..count {
        let request = post(Script::chunks([5]));
        let answer = serve(mirror, &Primary::reading(), request).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    tokio::task::yield_now().await;
}

fn alive_tasks() -> usize {
    runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_copies_that_begin_meanwhile() {
    let mirror = to(Act::AnswersAfter(5 * SECOND));
    let begun = Instant::now();
    mirror.handle().idle().await;
    send(&mirror, 1).await;
    let later = tokio::spawn({
        let mirror = mirror.clone();
        async move {
            for _ in 0..3 {
                tokio::time::sleep(3 * SECOND).await;
                send(&mirror, 1).await;
            }
        }
    });
    let stats = settled(&mirror.handle(), 4).await;
    assert_eq!(stats.outcome(Outcome::Completed), 4);
    assert_eq!(begun.elapsed(), 14 * SECOND, "the last began at 9");
    later.await.unwrap();
    send(&mirror, 1).await;
    assert_eq!(mirror.handle().stats().in_flight(), 1, "still admitting");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_ends_in_time() {
    let mirror = to(Act::AnswersAfter(5 * SECOND));
    send(&mirror, 3).await;
    let begun = Instant::now();
    let drained = mirror.handle().drain(6 * SECOND).await;
    assert_eq!((drained.aborted, begun.elapsed()), (0, 5 * SECOND));
    assert_eq!(alive_tasks(), 0);
    send(&mirror, 2).await;
    mirror.handle().resume();
    send(&mirror, 1).await;
    let stats = settled(&mirror.handle(), 6).await;
    assert_eq!(stats.outcome(Outcome::Completed), 3);
    assert_eq!(stats.outcome(Outcome::Draining), 3, "drained for good");
}

#[tokio::test(start_paused = true)]
async fn a_drain_gives_up_the_rest_at_its_deadline() {
    for act in [
        Act::Hangs(Place::Ready),
        Act::Hangs(Place::Call),
        Act::Hangs(Place::Body),
        Act::KeepsBody,
    ] {
        let shadow = TestShadow::new(act);
        let told = Told::default();
        let mirror = MirrorLayer::builder(shadow.share())
            .timeout(60 * SECOND)
            .observer(told.clone())
            .build();
        send(&mirror, 3).await;
        // One that is still capturing, and goes on.
        let (feed, body) = Feed::new();
        let request = Request::post("/").body(body).unwrap();
        let primary = Primary::reading();
        let upload = tokio::spawn(mirror.layer(primary.clone()).call(request));

        let begun = Instant::now();
        let (handle, other) = (mirror.handle(), mirror.handle());
        let both = tokio::join!(handle.drain(6 * SECOND), async {
            tokio::time::sleep(SECOND).await;
            send(&mirror, 2).await;
            assert_eq!(mirror.handle().stats().outcome(Outcome::Draining), 2);
            other.drain(60 * SECOND).await
        });
        assert_eq!((both.0.aborted, both.1.aborted), (4, 0), "{act:?}");
        assert_eq!(begun.elapsed(), 6 * SECOND);
        assert_eq!(alive_tasks(), 1, "the upload alone");
        let stats = settled(&mirror.handle(), 6).await;
        assert_eq!(stats.outcome(Outcome::Aborted), 4);
        assert_eq!(mirror.handle().drain(SECOND).await.aborted, 0);
        for kept in shadow.take_kept() {
            assert!(matches!(read(kept, |_, _| false).await.end, End::Error(_)));
        }

        feed.send(pattern(5)).unwrap();
        drop(feed);
        upload.await.unwrap().unwrap();
        assert_eq!(primary.one().1.bytes(), pattern(5));
        let outcomes: Vec<_> = told.reports().iter().map(|report| report.outcome).collect();
        assert_eq!(outcomes, [Outcome::Aborted; 4]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_a_deadline_ends_at_once() {
    let mirror = to(Act::Hangs(Place::Call));
    send(&mirror, 2).await;
    let begun = Instant::now();
    assert_eq!(mirror.handle().drain(Duration::ZERO).await.aborted, 2);
    assert_eq!((begun.elapsed(), alive_tasks()), (Duration::ZERO, 0));
    settled(&mirror.handle(), 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_has_not_begun_is_given_up_too() {
    let mirror = to(Act::Hangs(Place::Call));
    let answer = mirror.layer(Primary::reading()).call(get());
    // The copy's task was not run yet when the deadline passes.
    let drain = mirror.handle().drain(Duration::ZERO).now_or_never();
    assert!(drain.is_none(), "there is a copy to be waited for");
    assert!(answer.await.is_ok());
    let begun = Instant::now();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Aborted);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_being_decided_on_when_a_drain_begins_stays_outside() {
    let handle = Arc::new(OnceLock::<MirrorHandle>::new());
    let within = Arc::clone(&handle);
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .filter(move |_: &RequestHead<'_>| {
            let handle = within.get().expect("set below");
            let drained = handle.drain(SECOND).now_or_never();
            assert_eq!(drained.expect("nobody is inside").aborted, 0);
            true
        })
        .build();
    handle.set(mirror.handle()).unwrap();
    assert!(serve(&mirror, &Primary::reading(), get()).await.is_ok());
    assert_only(&mirror.handle().stats(), Outcome::Draining);
    assert_eq!(mirror.handle().stats().admitted(), 0);
}

/// Whoever comes while the doors close is inside and waited for, or outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nobody_slips_through_a_drain() {
    for round in 0..30 {
        let mirror = to(Act::Hangs(Place::Call));
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let mirror = mirror.clone();
                tokio::spawn(async move {
                    let mut sent = 0;
                    while mirror.handle().stats().outcome(Outcome::Draining) == 0 {
                        send(&mirror, 1).await;
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        while mirror.handle().stats().admitted() < round {
            tokio::task::yield_now().await;
        }
        let drained = mirror.handle().drain(Duration::ZERO).await;
        let after = mirror.handle().stats();
        assert_eq!(
            (after.in_flight(), after.buffered_bytes()),
            (0, 0),
            "{after}"
        );
        let mut sent = 0;
        for sender in senders {
            sent += sender.await.unwrap();
        }
        let stats = settled(&mirror.handle(), sent).await;
        assert_eq!(stats.admitted(), after.admitted(), "none came later");
        assert_eq!(stats.outcome(Outcome::Aborted), drained.aborted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_panics_when_it_is_dropped_leaves_nothing_behind() {
    let mirror = to(Act::Hangs(Place::Ready));
    let data = Bytes::from_owner(DataThatPanics(vec![0; 130 << 10]));
    let request = post(Script::new([Step::Data(data)]));
    // The copy's share of the frame is the last.
    serve(&mirror, &Primary::reading(), request).await.unwrap();
    let idle = tokio::time::timeout(3600 * SECOND, settled(&mirror.handle(), 1)).await;
    assert!(idle.is_ok(), "still inside: {}", mirror.handle().stats());
}

#[test]
fn what_a_runtime_takes_with_it_is_aborted() {
    let build = || {
        runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
    };
    let shadow = TestShadow::new(Act::KeepsBody);
    let told = Told::default();
    let mirror = MirrorLayer::builder(shadow.share())
        .observer(told.clone())
        .build();
    let first = build().unwrap();
    first.block_on(send(&mirror, 2));
    assert_eq!(mirror.handle().stats().in_flight(), 2);
    let handle = first.handle().clone();
    drop(first);
    assert_eq!(mirror.handle().stats().outcome(Outcome::Aborted), 2);

    // Called within a runtime that is no more.
    let primary = Primary::reading();
    {
        let _inside = handle.enter();
        let mut service = mirror.layer(primary.clone());
        let answer = service.call(post(Script::chunks([5])));
        tokio_test::assert_ok!(tokio_test::assert_ready!(
            tokio_test::task::spawn(answer).poll()
        ));
    }
    assert_eq!(primary.one().1.bytes().len(), 5);
    let second = build().unwrap();
    let stats = second.block_on(settled(&mirror.handle(), 3));
    assert_eq!(stats.outcome(Outcome::Aborted), 3);
    assert_eq!(told.reports().len(), 3);
    second.block_on(async {
        send(&mirror, 1).await;
        let drained = mirror.handle().drain(Duration::ZERO).await;
        assert_eq!(drained.aborted, 1, "the others were not given up by it");
    });
    for kept in shadow.take_kept() {
        let seen = second.block_on(read(kept, |_, _| false));
        assert!(matches!(seen.end, End::Error(_)));
    }
}

/// How long a drain waits for copies that it has aborted.
const ABORTING: Duration = Duration::from_millis(250);

#[test]
fn a_drain_ends_although_the_runtime_of_a_copy_is_not_driven() {
    let build = || {
        runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
    };
    let mirror = to(Act::Hangs(Place::Call));
    let (idle, driven) = (build().unwrap(), build().unwrap());
    idle.block_on(send(&mirror, 2));
    driven.block_on(async {
        let begun = Instant::now();
        let drained = mirror.handle().drain(SECOND).await;
        assert_eq!((drained.aborted, drained.left), (0, 2));
        assert_eq!(begun.elapsed(), SECOND + ABORTING);
    });
    // They end as soon as they can, and are reported then.
    idle.block_on(async {
        assert_eq!(
            settled(&mirror.handle(), 2).await.outcome(Outcome::Aborted),
            2
        );
        let drained = mirror.handle().drain(SECOND).await;
        assert_eq!((drained.aborted, drained.left), (2, 0));
        let drained = mirror.handle().drain(SECOND).await;
        assert_eq!((drained.aborted, drained.left), (0, 0));
    });
}

/// The runtime of the copy has one thread, which its shadow holds until the test is over.
#[test]
fn a_drain_ends_although_a_shadow_blocks_its_thread() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let (blocks, blocked) = std::sync::mpsc::channel();
    let shadow = tower::service_fn(move |_: Request<tower_mirror::ShadowBody>| {
        let (released, blocks) = (released.clone(), blocks.clone());
        async move {
            let _ = blocks.send(());
            let _ = lock(&released).recv();
            Ok::<_, std::convert::Infallible>(http::Response::new(
                http_body_util::Full::<Bytes>::default(),
            ))
        }
    });
    let mirror = MirrorLayer::new(shadow);
    let copying = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let sending = copying.spawn({
        let mirror = mirror.clone();
        async move { send(&mirror, 1).await }
    });
    blocked.recv().unwrap();
    let draining = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    draining.block_on(async {
        let drained = mirror.handle().drain(SECOND).await;
        assert_eq!((drained.aborted, drained.left), (0, 1));
    });
    drop(release);
    copying.block_on(sending).unwrap();
    copying.block_on(mirror.handle().idle());
}

#[tokio::test(start_paused = true)]
async fn drains_at_the_same_time_report_each_copy_once() {
    let mirror = to(Act::Hangs(Place::Call));
    send(&mirror, 7).await;
    let handle = mirror.handle();
    let begun = Instant::now();
    let (one, other, late) = tokio::join!(
        handle.drain(SECOND),
        handle.drain(SECOND),
        handle.drain(60 * SECOND)
    );
    assert_eq!(begun.elapsed(), SECOND);
    assert_eq!(one.aborted + other.aborted + late.aborted, 7);
    assert_eq!(one.left + other.left + late.left, 0);
    assert_eq!(settled(&handle, 7).await.outcome(Outcome::Aborted), 7);
}
