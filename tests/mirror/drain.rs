//! M10: a drain ends all copies. M4: copies also have their outcome if their runtime ends first.

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, OnceLock, mpsc},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{runtime, task::JoinHandle, time::Instant};
use tower::{Layer, Service, service_fn};
use tower_mirror::{MirrorHandle, MirrorLayer, Outcome, ShadowBody};
use tower_mirror_testing::*;

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
    mirror.handle().wait_idle().await;
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
    assert_eq!(
        begun.elapsed(),
        14 * SECOND,
        "the last copy began after 9 seconds"
    );
    later.await.unwrap();
    send(&mirror, 1).await;
    assert_eq!(
        mirror.handle().stats().in_flight(),
        1,
        "the mirror still admits copies"
    );
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
    assert_eq!(
        stats.outcome(Outcome::Draining),
        3,
        "the mirror stays drained"
    );
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
        let observer = RecordingObserver::default();
        let mirror = MirrorLayer::builder(shadow.share())
            .timeout(60 * SECOND)
            .observe_with(observer.clone())
            .build();
        send(&mirror, 3).await;
        // This copy is still being captured, and the upload continues.
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
        assert_eq!(alive_tasks(), 1, "only the upload is left");
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
        let outcomes: Vec<_> = observer
            .reports()
            .iter()
            .map(|report| report.outcome)
            .collect();
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
    // The copy's task has not run yet when the deadline passes.
    let drain = mirror.handle().drain(Duration::ZERO).now_or_never();
    assert!(drain.is_none(), "the drain waits for a copy");
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
        .filter(move |_| {
            let handle = within.get().expect("set below");
            let drained = handle.drain(SECOND).now_or_never();
            assert_eq!(drained.expect("no copy is in flight").aborted, 0);
            true
        })
        .build();
    handle.set(mirror.handle()).unwrap();
    assert!(serve(&mirror, &Primary::reading(), get()).await.is_ok());
    assert_only(&mirror.handle().stats(), Outcome::Draining);
    assert_eq!(mirror.handle().stats().admitted(), 0);
}

/// Three tasks that send requests until a drain has begun.
struct Senders(Vec<JoinHandle<u64>>);

impl Senders {
    /// Begins to send, and waits until so many copies were admitted.
    async fn until_admitted(mirror: &MirrorLayer, copies: u64) -> Self {
        let sender = |_| {
            let mirror = mirror.clone();
            tokio::spawn(async move {
                let mut sent = 0;
                while mirror.handle().stats().outcome(Outcome::Draining) == 0 {
                    send(&mirror, 1).await;
                    sent += 1;
                }
                sent
            })
        };
        let senders = (0..3).map(sender).collect();
        while mirror.handle().stats().admitted() < copies {
            tokio::task::yield_now().await;
        }
        Self(senders)
    }

    /// Waits until all tasks have ended, and returns the number of their requests.
    async fn sent(self) -> u64 {
        let mut sent = 0;
        for sender in self.0 {
            sent += sender.await.unwrap();
        }
        sent
    }
}

/// A request that arrives while the drain begins either has a copy that the drain waits for, or has
/// no copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_copy_begins_after_a_drain() {
    for round in 0..30 {
        let mirror = to(Act::Hangs(Place::Call));
        let senders = Senders::until_admitted(&mirror, round).await;
        let drained = mirror.handle().drain(Duration::ZERO).await;
        let after = mirror.handle().stats();
        // On a busy machine some copies may be left. The drain then reports them.
        if drained.left == 0 {
            let held = (after.in_flight(), after.buffered_bytes());
            assert_eq!(held, (0, 0), "{after}");
        }
        let stats = settled(&mirror.handle(), senders.sent().await).await;
        assert_eq!(stats.admitted(), after.admitted(), "no copy began later");
        let later = mirror.handle().drain(Duration::ZERO).await;
        let aborted = drained.aborted + later.aborted;
        assert_eq!(stats.outcome(Outcome::Aborted), aborted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_panics_when_it_is_dropped_leaves_nothing_behind() {
    let mirror = to(Act::Hangs(Place::Ready));
    let data = Bytes::from_owner(DataThatPanics(vec![0; 130 << 10]));
    let request = post(Script::new([Step::Data(data)]));
    // The copy's reference to the frame is the last one.
    serve(&mirror, &Primary::reading(), request).await.unwrap();
    let idle = tokio::time::timeout(3600 * SECOND, settled(&mirror.handle(), 1)).await;
    assert!(
        idle.is_ok(),
        "copies are still in flight: {}",
        mirror.handle().stats()
    );
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
    let observer = RecordingObserver::default();
    let mirror = MirrorLayer::builder(shadow.share())
        .observe_with(observer.clone())
        .build();
    let first = build().unwrap();
    first.block_on(send(&mirror, 2));
    assert_eq!(mirror.handle().stats().in_flight(), 2);
    let handle = first.handle().clone();
    drop(first);
    assert_eq!(mirror.handle().stats().outcome(Outcome::Aborted), 2);

    // This is called in the context of a runtime that has ended.
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
    assert_eq!(observer.reports().len(), 3);
    second.block_on(async {
        send(&mirror, 1).await;
        let drained = mirror.handle().drain(Duration::ZERO).await;
        assert_eq!(
            drained.aborted, 1,
            "this drain did not abort the other copies"
        );
    });
    for kept in shadow.take_kept() {
        let seen = second.block_on(read(kept, |_, _| false));
        assert!(matches!(seen.end, End::Error(_)));
    }
}

const DEADLINE: Duration = Duration::from_millis(100);
/// The longest time that a drain waits after its deadline.
const MOST: Duration = Duration::from_millis(350);

fn paused() -> runtime::Runtime {
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

/// Drains in a separate runtime. Returns the report and the duration.
fn drained(mirror: &MirrorLayer, deadline: Duration) -> (u64, usize, Duration) {
    paused().block_on(async {
        let begun = Instant::now();
        let drained = mirror.handle().drain(deadline).await;
        (drained.aborted, drained.left, begun.elapsed())
    })
}

#[test]
fn a_drain_does_not_wait_for_a_runtime_that_is_not_driven() {
    for act in [
        Act::Hangs(Place::Ready),
        Act::Hangs(Place::Call),
        Act::Hangs(Place::Body),
        Act::KeepsBody,
    ] {
        let mirror = to(act);
        let idle = paused();
        idle.block_on(send(&mirror, 7));
        assert_eq!(drained(&mirror, DEADLINE), (0, 7, MOST), "{act:?}");
        // A second drain waits as long again, and finds the same copies.
        assert_eq!(drained(&mirror, DEADLINE), (0, 7, MOST), "{act:?}");
        assert_eq!(mirror.handle().stats().in_flight(), 7);

        // When the runtime is driven again, the copies end without a further abort, and the next
        // drain reports them.
        let stats = idle.block_on(settled(&mirror.handle(), 7));
        assert_eq!(stats.outcome(Outcome::Aborted), 7);
        assert_eq!(drained(&mirror, DEADLINE), (7, 0, Duration::ZERO));
        assert_eq!(drained(&mirror, DEADLINE), (0, 0, Duration::ZERO));
    }
}

/// Copies in two runtimes, of which only one is driven.
#[test]
fn those_whose_tasks_run_are_aborted_although_others_are_left() {
    let mirror = to(Act::Hangs(Place::Call));
    let idle = paused();
    idle.block_on(send(&mirror, 3));
    let driven = paused();
    driven.block_on(async {
        send(&mirror, 4).await;
        let begun = Instant::now();
        let drained = mirror.handle().drain(DEADLINE).await;
        assert_eq!((drained.aborted, drained.left), (4, 3));
        assert_eq!(begun.elapsed(), MOST);
    });
    drop(idle);
    assert_eq!(drained(&mirror, DEADLINE), (3, 0, Duration::ZERO));
}

/// Blocks the thread of each copy until the test releases it.
#[derive(Clone)]
struct Blocks {
    entered: mpsc::Sender<()>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Blocks {
    fn new() -> (Self, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (entered, enters) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        (Self { entered, released }, enters, release)
    }

    fn block(&self) {
        self.entered.send(()).expect("the test waits for it");
        // The test closes the channel in every case.
        let _ = lock(&self.released).recv();
    }
}

fn one_worker() -> runtime::Runtime {
    let mut builder = runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_time().build();
    runtime.expect("a runtime")
}

#[test]
fn a_drain_does_not_wait_for_a_shadow_that_blocks_its_thread() {
    let (blocks, enters, release) = Blocks::new();
    let mirror = MirrorLayer::new(service_fn(move |_: Request<ShadowBody>| {
        blocks.block();
        pending::<Result<Response<Full<Bytes>>, Infallible>>()
    }));
    let blocked = one_worker();
    blocked.block_on(send(&mirror, 1));
    enters.recv().expect("the shadow was called");
    // The runtime has only one thread, so the second copy does not begin.
    blocked.block_on(send(&mirror, 1));
    assert_eq!(drained(&mirror, DEADLINE), (0, 2, MOST));

    drop(release);
    let stats = blocked.block_on(settled(&mirror.handle(), 2));
    assert_eq!(stats.outcome(Outcome::Aborted), 2);
    assert_eq!(drained(&mirror, DEADLINE), (2, 0, Duration::ZERO));
}

/// While a copy is being reported, it counts as left, and not also as aborted.
#[test]
fn a_copy_whose_observer_blocks_is_counted_once() {
    let (blocks, enters, release) = Blocks::new();
    let blocks = Mutex::new(blocks);
    let mirror = MirrorLayer::builder(TestShadow::new(Act::Hangs(Place::Call)))
        .observer(move |_| lock(&blocks).block())
        .build();
    let blocked = one_worker();
    blocked.block_on(send(&mirror, 1));
    mirror.handle().drain(Duration::ZERO).now_or_never();
    enters.recv().expect("the copy was aborted");
    assert_eq!(drained(&mirror, DEADLINE), (0, 1, MOST));
    drop(release);
    blocked.block_on(settled(&mirror.handle(), 1));
    assert_eq!(drained(&mirror, DEADLINE), (1, 0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn drains_at_the_same_time_report_each_copy_once() {
    for deadlines in [[1, 1, 1], [1, 2, 3], [3, 2, 1], [0, 0, 5]] {
        let mirror = to(Act::Hangs(Place::Call));
        send(&mirror, 7).await;
        let begun = Instant::now();
        let handle = mirror.handle();
        let [one, two, three] = deadlines.map(|seconds| handle.drain(seconds * SECOND));
        let (one, two, three) = tokio::join!(one, two, three);
        let aborted = [one.aborted, two.aborted, three.aborted];
        assert_eq!(aborted.iter().sum::<u64>(), 7, "{deadlines:?}: {aborted:?}");
        assert_eq!([one.left, two.left, three.left], [0; 3]);
        // The drain whose deadline is first aborts all copies.
        let first = deadlines.into_iter().min().unwrap() * SECOND;
        assert_eq!(begun.elapsed(), first, "{deadlines:?}");
        let stats = settled(&handle, 7).await;
        assert_eq!(stats.outcome(Outcome::Aborted), 7);
    }
}

/// A drain that is dropped at its deadline leaves its count to the other drains.
#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_takes_no_copy_with_it() {
    let mirror = to(Act::Hangs(Place::Call));
    send(&mirror, 7).await;
    let handle = mirror.handle();
    let mut dropped = Box::pin(handle.drain(SECOND));
    assert!((&mut dropped).now_or_never().is_none());
    tokio::time::advance(2 * SECOND).await;
    // The drain aborts the copies, whose tasks have not run yet.
    assert!((&mut dropped).now_or_never().is_none());
    drop(dropped);
    let drained = handle.drain(SECOND).await;
    assert_eq!((drained.aborted, drained.left), (7, 0));
    settled(&handle, 7).await;
}

#[test]
fn without_timers_a_drain_ends_at_once() {
    let idle = paused();
    let drain = |mirror: &MirrorLayer| {
        let drained = mirror.handle().drain(60 * SECOND).now_or_never();
        let drained = drained.expect("the drain waits for nothing");
        (drained.aborted, drained.left)
    };
    let without_timers = runtime::Builder::new_current_thread().build().unwrap();
    for is_inside in [true, false] {
        let mirror = to(Act::Hangs(Place::Call));
        idle.block_on(send(&mirror, 3));
        let drained = match is_inside {
            true => without_timers.block_on(async { drain(&mirror) }),
            false => drain(&mirror),
        };
        assert_eq!(drained, (0, 3), "inside a runtime: {is_inside}");
        idle.block_on(settled(&mirror.handle(), 3));
        assert_eq!(drain(&mirror), (3, 0));
    }
}

/// Three threads send requests, whose copies complete, hang or are still being captured. Three
/// drains begin meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn drains_under_load_report_each_copy_once() {
    for round in 0..30u64 {
        let (hangs, answers) = (to(Act::Hangs(Place::Call)), to(Act::Answers(200)));
        for mirror in [hangs, answers] {
            let senders = Senders::until_admitted(&mirror, round).await;
            let drains: Vec<_> = (0..3)
                .map(|at| {
                    let (handle, deadline) = (mirror.handle(), Duration::from_millis(at));
                    tokio::spawn(async move { handle.drain(deadline).await })
                })
                .collect();
            let mut aborted = 0;
            for drain in drains {
                aborted += drain.await.unwrap().aborted;
            }
            let stats = settled(&mirror.handle(), senders.sent().await).await;
            // The next drain reports the copies that a busy machine has left.
            aborted += mirror.handle().drain(Duration::ZERO).await.aborted;
            assert_eq!(aborted, stats.outcome(Outcome::Aborted), "{stats}");
        }
    }
}
