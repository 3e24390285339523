//! `Counters`: the counters of one mirror.

use std::{
    array,
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
    },
};

use http::StatusCode;

use super::{MirrorStats, Outcome, StatusClass, sharded::Sharded};

/// The layout of the row of sharded counters: one counter for each outcome that is decided in
/// `call`, then one for each outcome of an admitted copy, and one for admissions.
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

    /// Counts a request whose outcome was decided in `call`.
    #[inline]
    pub(crate) fn skipped(&self, outcome: Outcome) {
        self.requests.add(SKIPPED + outcome.index(), Relaxed);
    }

    /// Counts the admission of a request.
    pub(crate) fn started(&self) {
        self.requests.add(STARTED, Relaxed);
    }

    /// Counts the outcome of an admitted request.
    pub(crate) fn ended(&self, outcome: Outcome) {
        // A thread that reads this end also reads its start.
        self.requests.add(ENDED + outcome.index(), Release);
    }

    /// Counts the status classes of an admitted request whose two sides have ended.
    pub(crate) fn statuses(&self, primary: Option<StatusCode>, shadow: Option<StatusCode>) {
        let (primary, shadow) = (StatusClass::of(primary), StatusClass::of(shadow));
        self.statuses[primary.index()][shadow.index()].fetch_add(1, Relaxed);
    }

    pub(crate) fn observer_panicked(&self) {
        self.observer_panics.fetch_add(1, Relaxed);
    }

    /// Reads all counters. Ends are read before starts, so that no copy seems to have ended before
    /// it began.
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
