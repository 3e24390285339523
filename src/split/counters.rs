//! `SplitCounters`: the counters of one split, by subset and reason.

use std::sync::atomic::Ordering::Relaxed;

use super::served::Reason;
use crate::observe::Sharded;

/// The number of counters of each subset: one for each reason, and one for failed readiness.
const OF_A_SUBSET: usize = 5;
const UNREADY: usize = 4;

/// The counters of the split itself. They follow those of its subsets.
const NO_WEIGHT: usize = 0;
const NOT_READY: usize = 1;
const UNKNOWN_FORCED: usize = 2;
const POLICY_PANICKED: usize = 3;
const OF_THE_SPLIT: usize = 4;

#[derive(Debug)]
pub(super) struct SplitCounters {
    counts: Sharded,
    own: usize,
}

impl SplitCounters {
    pub(super) fn new(subsets: usize) -> Self {
        let own = subsets * OF_A_SUBSET;
        Self {
            counts: Sharded::new(own + OF_THE_SPLIT),
            own,
        }
    }

    fn add(&self, counter: usize) {
        self.counts.add(counter, Relaxed);
    }

    pub(super) fn serve(&self, subset: usize, reason: &Reason) {
        self.add(subset * OF_A_SUBSET + place(reason));
    }

    /// Counts a request whose subset failed to become ready, or was not ready in time.
    pub(super) fn unready(&self, subset: usize) {
        self.add(subset * OF_A_SUBSET + UNREADY);
    }

    pub(super) fn no_weight(&self) {
        self.add(self.own + NO_WEIGHT);
    }

    pub(super) fn not_ready(&self) {
        self.add(self.own + NOT_READY);
    }

    pub(super) fn unknown_forced(&self) {
        self.add(self.own + UNKNOWN_FORCED);
    }

    pub(super) fn policy_panicked(&self) {
        self.add(self.own + POLICY_PANICKED);
    }

    /// Returns the counters of a subset in this order: forced, keyed, weighted, fallback, unready.
    pub(super) fn of_subset(&self, subset: usize) -> [u64; OF_A_SUBSET] {
        std::array::from_fn(|counter| self.counts.sum(subset * OF_A_SUBSET + counter))
    }

    /// Returns the counters of the split in this order: no weight, not ready, unknown forced,
    /// policy panicked.
    pub(super) fn of_split(&self) -> [u64; OF_THE_SPLIT] {
        std::array::from_fn(|counter| self.counts.sum(self.own + counter))
    }
}

fn place(reason: &Reason) -> usize {
    match reason {
        Reason::Forced => 0,
        Reason::Keyed => 1,
        Reason::Weighted => 2,
        Reason::Fallback { .. } => 3,
    }
}
