//! The gate, the budget and the counters, under threads that make random calls at random times.
//!
//! loom checks all interleavings of small models of the gate and of the budget
//! (`src/mirror/gate_models.rs` and `src/body/models/`). These tests add many threads, and the
//! counters, which have no model.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use proptest::{prelude::*, test_runner::Config};
use tower::service_fn;
use tower_mirror::{BoxError, MirrorLayer, SampleRate, ShadowBody};

use crate::config;
use tower_mirror_testing::{Primary, Script, assert_adds_up, post, serve};

const THREADS: u64 = 3;
const EACH: u64 = 60;
const MOST_IN_FLIGHT: usize = 5;
const MOST_BYTES: usize = 60_000;

/// A copy in flight, until it ends or is aborted.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

async fn shadow(
    request: Request<ShadowBody>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
) -> Result<Response<Empty<bytes::Bytes>>, BoxError> {
    most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
    let _inside = Inside(inside);
    tokio::task::yield_now().await;
    request.into_body().collect().await?;
    Ok(Response::new(Empty::new()))
}

async fn send(mirror: MirrorLayer, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let (handle, primary) = (mirror.handle(), Primary::reading());
    for _ in 0..EACH {
        match chance.u8(..12) {
            0 => handle.pause(),
            1 | 2 => handle.resume(),
            3 => handle.set_sample_rate(SampleRate::per_million(chance.u32(..=1_000_000)).unwrap()),
            4 => handle.wait_idle().await,
            _ => handle.set_sample_rate(SampleRate::ALL),
        }
        let body = Script::chunks((0..chance.usize(..4)).map(|_| chance.usize(..9000)));
        serve(&mirror, &primary, post(body))
            .await
            .expect("an answer");
    }
}

async fn check(seed: u64, drain_after: u64, deadline: Duration) {
    let (inside, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (Arc::clone(&inside), Arc::clone(&most));
    let shadow = service_fn(move |request| shadow(request, counts.0.clone(), counts.1.clone()));
    let mirror = MirrorLayer::builder(shadow)
        // A drain may begin here, between the check of the gate and the entry.
        .filter(|_| {
            (0..fastrand::u8(..3)).for_each(|_| std::thread::yield_now());
            true
        })
        .max_in_flight(MOST_IN_FLIGHT)
        .max_buffered_bytes(MOST_BYTES)
        .build();
    let handle = mirror.handle();
    let is_over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn({
        let (handle, is_over) = (handle.clone(), Arc::clone(&is_over));
        async move {
            while !is_over.load(SeqCst) {
                let stats = handle.stats();
                assert_adds_up(&stats, stats.requests());
                assert!(stats.buffered_bytes() <= MOST_BYTES, "{stats}");
                tokio::task::yield_now().await;
            }
        }
    });
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| tokio::spawn(send(mirror.clone(), seed ^ thread)))
        .collect();
    while handle.stats().requests() < drain_after {
        tokio::task::yield_now().await;
    }
    let drained = handle.drain(deadline).await;
    // No copy is in flight, and no further copy begins, although the threads continue.
    let then = handle.stats();
    assert_eq!((then.in_flight(), then.buffered_bytes()), (0, 0), "{then}");
    assert_eq!(inside.load(SeqCst), 0);
    for sender in senders {
        sender.await.unwrap();
    }
    is_over.store(true, SeqCst);
    watching.await.unwrap();
    let stats = handle.stats();
    assert_adds_up(&stats, THREADS * EACH);
    assert_eq!(stats.admitted(), then.admitted(), "{stats}");
    assert_eq!(
        stats.outcome(tower_mirror::Outcome::Aborted),
        drained.aborted
    );
    assert!(most.load(SeqCst) <= MOST_IN_FLIGHT);
}

proptest! {
    // Each case sends a hundred and eighty requests.
    #![proptest_config(Config { cases: config().cases / 4, ..config() })]

    #[test]
    fn nothing_gets_past_the_gate_or_the_budget(seed in any::<u64>(), drain_after in 0..THREADS * EACH, waits in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS as usize)
            .enable_time()
            .build();
        let deadline = if waits { Duration::from_secs(60) } else { Duration::ZERO };
        runtime.unwrap().block_on(check(seed, drain_after, deadline));
    }
}
