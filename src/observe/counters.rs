//! The counters of one mirror.

use std::{
    array,
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
    },
};

use http::StatusCode;

use super::{MirrorStats, Outcome, StatusClass, sharded::Sharded};

/// In the row of sharded counters: one of each outcome decided in `call`, one of
/// each with which an admitted copy ended, and one of admissions.
const SKIPPED: usize = 0;
const ENDED: usize = SKIPPED + Outcome::COUNT;
const STARTED: usize = ENDED + Outcome::COUNT;

#[derive(Debug)]
pub(crate) struct Counters {
    requests: Sharded,
    statuses: [[AtomicU64; StatusClass::COUNT]; StatusClass::COUNT],
    observer_panics: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            requests: Sharded::new(STARTED + 1),
            statuses: Default::default(),
            observer_panics: AtomicU64::new(0),
        }
    }

    /// A request was decided in `call`.
    #[inline]
    pub(crate) fn skipped(&self, outcome: Outcome) {
        self.requests.add(SKIPPED + outcome.index(), Relaxed);
    }

    /// A request was admitted.
    pub(crate) fn started(&self) {
        self.requests.add(STARTED, Relaxed);
    }

    /// An admitted request has its outcome.
    pub(crate) fn ended(&self, outcome: Outcome) {
        // A thread that reads this end also reads its start.
        self.requests.add(ENDED + outcome.index(), Release);
    }

    /// Both sides of an admitted request have ended.
    pub(crate) fn statuses(&self, primary: Option<StatusCode>, shadow: Option<StatusCode>) {
        let (primary, shadow) = (StatusClass::of(primary), StatusClass::of(shadow));
        self.statuses[primary.index()][shadow.index()].fetch_add(1, Relaxed);
    }

    pub(crate) fn observer_panicked(&self) {
        self.observer_panics.fetch_add(1, Relaxed);
    }

    /// Ends are read before starts, so that no copy seems to end before it has begun.
    pub(crate) fn snapshot(&self, buffered_bytes: usize) -> MirrorStats {
        let ended: [u64; Outcome::COUNT] =
            array::from_fn(|outcome| self.requests.sum(ENDED + outcome));
        let skipped = array::from_fn(|outcome| self.requests.sum(SKIPPED + outcome));
        let started = self.requests.sum(STARTED);
        let in_flight = started.saturating_sub(ended.iter().sum());
        let statuses = self
            .statuses
            .each_ref()
            .map(|row| row.each_ref().map(|count| count.load(Relaxed)));
        MirrorStats {
            skipped,
            started,
            ended,
            statuses,
            in_flight,
            buffered_bytes,
            observer_panics: self.observer_panics.load(Relaxed),
        }
    }
}
