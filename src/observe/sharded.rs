//! `Sharded`: counters to which many threads add without contention.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

/// The limit of shards. Even on a larger machine, more shards would not make a difference that can
/// be noticed.
const MAX_SHARDS: usize = 64;
const LINE: usize = 16;

/// A row of counters. Each counter is stored once for each of several groups of threads, and the
/// values are added when the counter is read.
#[derive(Debug)]
pub(crate) struct Sharded {
    lines: Box<[Line]>,
    shards: usize,
    lines_a_shard: usize,
}

/// A part of a row, which has its own cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; LINE]);

impl Sharded {
    pub(crate) fn new(counters: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let shards = threads.next_power_of_two().min(MAX_SHARDS);
        let lines_a_shard = counters.div_ceil(LINE);
        Self {
            lines: (0..shards * lines_a_shard)
                .map(|_| Line::default())
                .collect(),
            shards,
            lines_a_shard,
        }
    }

    #[inline]
    pub(crate) fn add(&self, counter: usize, order: Ordering) {
        // The number of shards is a power of two.
        let shard = thread_index() & (self.shards - 1);
        self.of(shard, counter).fetch_add(1, order);
    }

    pub(crate) fn sum(&self, counter: usize) -> u64 {
        (0..self.shards)
            .map(|shard| self.of(shard, counter).load(Ordering::Acquire))
            .sum()
    }

    fn of(&self, shard: usize, counter: usize) -> &AtomicU64 {
        &self.lines[shard * self.lines_a_shard + counter / LINE].0[counter % LINE]
    }
}

/// Returns the index of this thread. The threads are numbered in the order in which they first
/// count, so they are distributed evenly over the shards.
#[inline]
fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static INDEX: Cell<Option<usize>> = const { Cell::new(None) });
    INDEX
        .try_with(|index| {
            index.get().unwrap_or_else(|| {
                let next = NEXT.fetch_add(1, Ordering::Relaxed);
                index.set(Some(next));
                next
            })
        })
        .unwrap_or(0) // The thread is ending.
}
