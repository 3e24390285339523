//! Counting without getting in each other's way.

use std::{
    cell::Cell,
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
    thread,
};

use http::StatusCode;

use super::{Outcome, Stats, StatusClass};

/// Enough for any machine on which more would be noticed.
const MAX_SHARDS: usize = 64;

/// The counters of one mirror. What every request writes to is sharded by thread.
#[derive(Debug)]
pub(crate) struct Counters {
    shards: Box<[Shard]>,
    statuses: [[AtomicU64; StatusClass::COUNT]; StatusClass::COUNT],
    observer_panics: AtomicU64,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    skipped: [AtomicU64; Outcome::COUNT],
    started: AtomicU64,
    ended: [AtomicU64; Outcome::COUNT],
}

impl Counters {
    pub(crate) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let shards = threads.next_power_of_two().min(MAX_SHARDS);
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            statuses: Default::default(),
            observer_panics: AtomicU64::new(0),
        }
    }

    /// A request was decided in `call`.
    pub(crate) fn skipped(&self, outcome: Outcome) {
        self.shard().skipped[outcome.index()].fetch_add(1, Relaxed);
    }

    /// A request was admitted.
    pub(crate) fn started(&self) {
        self.shard().started.fetch_add(1, Relaxed);
    }

    /// An admitted request has its outcome.
    pub(crate) fn ended(&self, outcome: Outcome) {
        // Whoever reads this end also reads its start.
        self.shard().ended[outcome.index()].fetch_add(1, Release);
    }

    /// Both sides of an admitted request have ended.
    pub(crate) fn statuses(&self, primary: Option<StatusCode>, shadow: Option<StatusCode>) {
        let (primary, shadow) = (StatusClass::of(primary), StatusClass::of(shadow));
        self.statuses[primary.index()][shadow.index()].fetch_add(1, Relaxed);
    }

    pub(crate) fn observer_panicked(&self) {
        self.observer_panics.fetch_add(1, Relaxed);
    }

    /// Ends are read before starts, so that no copy seems to end before it began.
    pub(crate) fn snapshot(&self, buffered_bytes: usize) -> Stats {
        let mut ended = [0; Outcome::COUNT];
        let mut skipped = [0; Outcome::COUNT];
        let mut started = 0;
        for shard in &self.shards {
            add(&mut ended, &shard.ended);
        }
        for shard in &self.shards {
            add(&mut skipped, &shard.skipped);
            started += shard.started.load(Acquire);
        }
        let statuses = self
            .statuses
            .each_ref()
            .map(|row| row.each_ref().map(|count| count.load(Relaxed)));
        Stats {
            skipped,
            started,
            ended,
            statuses,
            buffered_bytes,
            observer_panics: self.observer_panics.load(Relaxed),
        }
    }

    fn shard(&self) -> &Shard {
        // The count is a power of two.
        &self.shards[thread_index() & (self.shards.len() - 1)]
    }
}

fn add(sums: &mut [u64; Outcome::COUNT], counts: &[AtomicU64; Outcome::COUNT]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count.load(Acquire);
    }
}

/// Threads take turns at the shards, in the order in which they first count.
fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static INDEX: Cell<Option<usize>> = const { Cell::new(None) });
    INDEX
        .try_with(|index| {
            index.get().unwrap_or_else(|| {
                let next = NEXT.fetch_add(1, Relaxed);
                index.set(Some(next));
                next
            })
        })
        .unwrap_or(0) // the thread is ending
}
