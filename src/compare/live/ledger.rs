//! `Ledger`: what a comparison has counted, shared by the comparing thread, the primary's path and the handles.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    core::Open,
    difference::{DifferenceReport, Observe},
    drop_reason::{DropCounts, DropReason},
    settings::Settings,
    table::Table,
};
use crate::guard::{guarded, unpoisoned};

pub(super) struct Ledger {
    pub(super) mirror: Arc<str>,
    pub(super) open: Open,
    dropped: DropCounts,
    /// Resets do not take them back.
    dropped_totals: DropCounts,
    generation: AtomicU64,
    /// Time that the thread spent with comparisons, in nanoseconds.
    busy: AtomicU64,
    table: Mutex<Table>,
    observers: Mutex<Vec<Arc<dyn Observe>>>,
    observer_panics: AtomicU64,
}

impl Ledger {
    pub(super) fn new(mirror: Arc<str>, settings: &Settings) -> Self {
        Self {
            mirror,
            open: Open::new(),
            dropped: DropCounts::new(),
            dropped_totals: DropCounts::new(),
            generation: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            table: Mutex::new(Table::new(settings)),
            observers: Mutex::default(),
            observer_panics: AtomicU64::new(0),
        }
    }

    /// A triple begins. Returns the comparison that it belongs to.
    pub(super) fn begin(&self) -> u64 {
        self.open.begin();
        self.generation.load(Relaxed)
    }

    /// A request is not compared, which its head shows already.
    pub(super) fn refused(&self, reason: DropReason) {
        self.dropped.add(reason);
        self.dropped_totals.add(reason);
    }

    /// A triple that was begun ends without a comparison.
    pub(super) fn not_compared(&self, reason: DropReason) {
        self.refused(reason);
        self.open.end();
    }

    pub(super) fn dropped(&self) -> Vec<(DropReason, u64)> {
        self.dropped.snapshot()
    }

    #[cfg(feature = "metrics")]
    pub(super) fn dropped_totals(&self) -> Vec<(DropReason, u64)> {
        self.dropped_totals.all().collect()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    pub(super) fn add_busy(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.busy.fetch_add(nanos, Relaxed);
    }

    pub(super) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Relaxed))
    }

    /// Never on the primary's path, and no code of a user runs under it.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        unpoisoned(self.table.lock())
    }

    /// Begins a new comparison. What is under way belongs to the old one.
    pub(super) fn reset(&self, settings: &Settings) {
        let mut new = Table::new(settings);
        let old = {
            let mut table = self.table();
            new.totals = std::mem::take(&mut table.totals);
            self.generation.fetch_add(1, Relaxed);
            self.dropped.reset();
            std::mem::replace(&mut *table, new)
        };
        drop(old);
    }

    pub(super) fn observe(&self, observer: Arc<dyn Observe>) {
        self.observers().push(observer);
    }

    /// Observers are code of the user, so their panics are caught.
    pub(super) fn notify(&self, difference: &DifferenceReport) {
        let observers = self.observers().clone();
        for observer in observers {
            if guarded(|| observer.on_difference(difference)).is_none() {
                self.observer_panics.fetch_add(1, Relaxed);
            }
        }
    }

    pub(super) fn observer_panics(&self) -> u64 {
        self.observer_panics.load(Relaxed)
    }

    pub(super) fn has_observers(&self) -> bool {
        !self.observers().is_empty()
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Arc<dyn Observe>>> {
        unpoisoned(self.observers.lock())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("mirror", &self.mirror)
            .field("open", &self.open.count())
            .finish_non_exhaustive()
    }
}
