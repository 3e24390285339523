//! Requests that are not copied, on many threads at once: shared state must not slow them down.
//!
//! The baseline is the identity layer with one `Arc` that is cloned for each request, the least that most layers
//! share. `BENCH_THREADS` sets the maximum number of threads. Default: the number of cores.

use std::{
    env,
    sync::{Arc, Barrier},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use criterion::Criterion;
use http::Request;
use tower::{Layer, Service};
use tower_mirror::{Draw, Key, Mirror, MirrorLayer};

use tower_mirror_testing::cases::{
    body::{Frames, Shape, usual},
    services::{Identity, Null, call},
    unsampled::rare,
};

/// Clones and drops its `Arc` for each request.
#[derive(Clone)]
struct Sharing<S>(S, Arc<()>);

impl<S: Service<Request<Frames>>> Service<Request<Frames>> for Sharing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Frames>) -> S::Future {
        let held = std::hint::black_box(Arc::clone(&self.1));
        let answer = self.0.call(request);
        drop(held);
        answer
    }
}

/// Requests that are created before each round.
const ROUND: u64 = 256;

/// The mean time of `iterations` on each of the threads, without the creation of requests.
fn on_threads<S>(threads: usize, iterations: u64, service: &S) -> Duration
where
    S: Service<Request<Frames>> + Clone + Send,
{
    let together = Barrier::new(threads);
    let one = |mut service: S| {
        let mut time = Duration::ZERO;
        let mut left = iterations;
        while left > 0 {
            let round = left.min(ROUND);
            left -= round;
            let requests: Vec<_> = (0..round).map(|_| usual(Shape::EMPTY)).collect();
            together.wait();
            let start = Instant::now();
            for request in requests {
                call(&mut service, request);
            }
            time += start.elapsed();
        }
        time
    };
    let total: Duration = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let service = service.clone();
                scope.spawn(|| one(service))
            })
            .collect();
        let times = running.into_iter().map(|thread| thread.join());
        times.map(|time| time.expect("no panic")).sum()
    });
    total / u32::try_from(threads).expect("a few threads")
}

fn most_threads() -> usize {
    let given = env::var("BENCH_THREADS").ok();
    given
        .and_then(|most| most.parse().ok())
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

pub(super) fn bench(criterion: &mut Criterion) {
    let mirror = |draw| -> Mirror<Null> {
        let builder = MirrorLayer::builder(Null).sample_rate(rare()).draw(draw);
        builder.build().layer(Null)
    };
    let sharing = Sharing(Identity(Null), Arc::new(()));
    let mirrors = [
        ("mirror, random draw", mirror(Draw::random())),
        (
            "mirror, keyed draw",
            mirror(Draw::key(Key::header("x-user"))),
        ),
        ("mirror, even draw", mirror(Draw::even())),
    ];
    let numbers = [1, 2, 4, 8, 16].into_iter();
    for threads in numbers.filter(|threads| *threads <= most_threads()) {
        let mut group = criterion.benchmark_group(format!("threads, {threads}"));
        group.bench_function("identity layer, Arc clone", |bencher| {
            bencher.iter_custom(|iterations| on_threads(threads, iterations, &sharing));
        });
        for (name, mirror) in &mirrors {
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|iterations| on_threads(threads, iterations, mirror));
            });
        }
        group.finish();
    }
}
