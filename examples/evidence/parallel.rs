//! Many runs of one simulation, on all cores, each with its own seed.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use fastrand::Rng;

pub(crate) struct Runs {
    seed: u64,
    threads: usize,
}

impl Runs {
    pub(crate) fn new(seed: u64) -> Self {
        let threads = thread::available_parallelism().map_or(2, Into::into);
        Self { seed, threads }
    }

    /// The results of `runs` runs, in their order. They depend on the seed and the name only, and not on the threads.
    pub(crate) fn of<T: Send>(
        &self,
        name: &str,
        runs: usize,
        one: impl Fn(&mut Rng) -> T + Sync,
    ) -> Vec<T> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let run = next.fetch_add(1, Ordering::Relaxed);
                if run >= runs {
                    return done;
                }
                done.push((run, one(&mut self.random(name, run))));
            }
        };
        let mut all: Vec<(usize, T)> = thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined.flat_map(|done| done.expect("no panic")).collect()
        });
        all.sort_by_key(|(run, _)| *run);
        all.into_iter().map(|(_, result)| result).collect()
    }

    fn random(&self, name: &str, run: usize) -> Rng {
        let mut hasher = DefaultHasher::new();
        (self.seed, name, run).hash(&mut hasher);
        Rng::with_seed(hasher.finish())
    }
}
