//! What the comparison may use: bytes, places in the queue, a share of a core. And what it leaves when it ends.

use std::{
    future::pending,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use tokio::runtime;
use tower::{Layer, ServiceExt};
use tower_mirror::{
    MirrorLayer,
    compare::{Compare, DifferenceReport, DropReason},
};

use super::rig::{App, Rig, full, get, json};

const V1: &str = r#"{"items": [1, 2]}"#;
const V2: &str = r#"{"items": [1, 3]}"#;
/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(60);
/// Requests that may wait for the comparing thread.
const QUEUE: u64 = 64;

fn v1() -> App {
    App::constant(V1)
}

/// What blocks the comparing thread until it is dropped, and what says that it has begun to.
fn block(rig: &Rig) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (release, blocked) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let blocked = Mutex::new(blocked);
    rig.handle.on_difference(move |_: &DifferenceReport| {
        let _ = begun.send(());
        let _ = blocked.lock().unwrap().recv();
    });
    (release, begins)
}

#[tokio::test]
async fn a_thread_that_does_not_come_back_costs_comparisons_and_nothing_else() {
    let rig = Rig::of(v1(), App::constant(V2), v1());
    let (release, begins) = block(&rig);
    rig.ask(get("/items")).await.unwrap();
    rig.layer.mirror().wait_idle().await;
    begins.recv_timeout(HANG).unwrap();
    for _ in 0..QUEUE + 10 {
        let answer = rig.ask(get("/items")).await.unwrap();
        assert_eq!(answer.body(), V1);
        rig.layer.mirror().wait_idle().await;
    }
    assert_eq!(rig.handle.report().not_compared, [(DropReason::Busy, 10)]);
    drop(release);
    assert_eq!(rig.settled().await.compared, QUEUE + 1);
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_is_counted() {
    let rig = Rig::of(v1(), App::constant(V2), v1());
    rig.handle
        .on_difference(|_: &DifferenceReport| panic!("a panic of an observer, as scripted"));
    rig.ask_many(3).await;
    let report = rig.settled().await;
    assert_eq!((report.compared, report.observer_panics), (3, 3));
}

/// A buffer of a user, whose destructor panics.
struct Panics;

impl AsRef<[u8]> for Panics {
    fn as_ref(&self) -> &[u8] {
        V1.as_bytes()
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        // The client drops a clone of it too, and its own panics are its own.
        if thread::current()
            .name()
            .is_some_and(|name| name.contains("compare"))
        {
            panic!("a panic of a destructor, as scripted");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_destructor_that_panics_on_the_comparing_thread_is_caught() {
    let primary = App::at_once(|_| json(Bytes::from_owner(Panics)));
    let rig = Rig::of(primary, v1(), v1());
    rig.ask_many(3).await;
    let report = rig.settled().await;
    assert_eq!(report.compared, 3, "{report}");
}

#[tokio::test(start_paused = true)]
async fn held_bytes_stay_within_their_budget_and_are_given_back() {
    const BUDGET: usize = 100 << 10;
    let body = || App::at_once(|_| Response::new(full(vec![b'x'; 10 << 10])));
    let hanging = App::new(|_| pending());
    let compare = Compare::with_baseline(hanging).max_held_bytes(BUDGET);
    let rig = Rig::new(compare, body(), body());
    for _ in 0..20 {
        let answer = rig.ask(get("/items")).await.unwrap();
        assert_eq!(answer.body().len(), 10 << 10);
        assert!(rig.handle.held_bytes() <= BUDGET);
    }
    assert!(rig.handle.held_bytes() > BUDGET / 2);
    let report = rig.settled().await;
    let dropped: u64 = report.not_compared.iter().map(|(_, count)| count).sum();
    assert!(
        report
            .not_compared
            .iter()
            .all(|(reason, _)| *reason == DropReason::HeldBytes)
    );
    assert_eq!(report.compared + dropped, 20, "{report}");
    assert!(dropped > 0 && report.compared > 0, "{report}");
}

#[test]
fn what_is_charged_is_the_memory_that_answers_hold() {
    const BUDGET: usize = 1 << 20;
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.unwrap();
    for frame in [100, 1000, 10_000] {
        let bodies = move || {
            App::at_once(move |_| {
                let frames = (0..40_000 / frame).map(move |_| {
                    let data = Bytes::from(vec![b'x'; frame]);
                    Ok(http_body::Frame::data(data))
                });
                let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
                Response::new(body.boxed_unsync())
            })
        };
        let hanging = App::new(|_| pending());
        let compare = Compare::with_baseline(hanging).max_held_bytes(BUDGET);
        let rig = runtime.block_on(async { Rig::new(compare, bodies(), bodies()) });
        let mut held = 0;
        let used = measure(|| {
            runtime.block_on(async {
                for _ in 0..60 {
                    rig.ask(get("/items")).await.unwrap();
                    // Let the copies run.
                    for _ in 0..200 {
                        tokio::task::yield_now().await;
                    }
                }
                held = rig.handle.held_bytes();
            });
        });
        // The tasks, tickets and heads of 60 copies and of the 60 for the baseline.
        let around = 120 * (10 << 10);
        assert!(held > BUDGET / 2, "{frame}: {held}");
        let used = usize::try_from(used.bytes_current).unwrap();
        assert!(
            used <= 2 * BUDGET + around,
            "{frame}: {used} bytes, charged {held}"
        );
        assert!(2 * used >= held, "{frame}: {used} bytes, charged {held}");
        runtime.block_on(async { rig.settled().await });
    }
}

#[tokio::test]
async fn the_thread_works_for_its_share_of_the_time() {
    const DUTY: f64 = 0.2;
    let large = |name: &'static str| {
        App::counting(move |at| {
            let items: Vec<_> = (0..2000)
                .map(|item| format!("\"{name}{at}-{item}\""))
                .collect();
            // A field of its own, since what differs on both sides is cancelled.
            format!(r#"{{"{name}": 1, "items": [{}]}}"#, items.join(","))
        })
    };
    let compare = Compare::with_baseline(large("c")).warm_up(0).duty(DUTY);
    let layer = compare.layer(MirrorLayer::builder(large("b"))).unwrap();
    let handle = layer.handle();
    let began = Instant::now();
    let (reader, wrong) = (handle.clone(), Arc::new(AtomicU64::new(0)));
    let (seen, counted) = (Arc::clone(&wrong), Arc::new(AtomicU64::new(0)));
    let calls = Arc::clone(&counted);
    handle.on_difference(move |_: &DifferenceReport| {
        calls.fetch_add(1, Relaxed);
        // Of all comparisons but this one, with their pauses.
        let worked = reader.comparing_time().as_secs_f64();
        let is_within = worked <= DUTY * began.elapsed().as_secs_f64();
        seen.fetch_add(u64::from(!is_within), Relaxed);
    });
    for _ in 0..30 {
        let answer = layer.layer(large("a")).oneshot(get("/")).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    layer.mirror().wait_idle().await;
    handle.wait_idle().await;
    assert_eq!(handle.report().compared, 30);
    assert!(handle.comparing_time() > Duration::ZERO);
    assert_eq!((wrong.load(Relaxed), counted.load(Relaxed)), (0, 30));
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle() {
    let rig = Rig::of(v1(), App::constant(V2), v1());
    let observed = Arc::new(());
    let alive: Weak<()> = Arc::downgrade(&observed);
    rig.handle.on_difference(move |_: &DifferenceReport| {
        let _ = &observed;
    });
    rig.ask(get("/items")).await.unwrap();
    let report = rig.settled().await;
    assert_eq!(report.compared, 1, "{report}");
    assert!(alive.upgrade().is_some());
    drop(rig);
    // The thread holds the last reference until it notices that all handles are dropped.
    let deadline = Instant::now() + HANG;
    while alive.upgrade().is_some() {
        assert!(Instant::now() < deadline, "the thread goes on");
        tokio::task::yield_now().await;
    }
}
