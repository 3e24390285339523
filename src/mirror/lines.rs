//! `Lines`: the limit of a mirror's log lines, which is ten in a minute for each outcome. Omitted lines are counted.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{Level, level_filters::LevelFilter};

use crate::observe::Outcome;

const MOST: usize = 10;
const PERIOD: u64 = Duration::from_secs(60).as_nanos() as u64;
const NEVER: u64 = 0;

/// The allowance of each outcome. It has no lock, since some lines are written on the primary's path.
#[derive(Debug)]
pub(super) struct Lines {
    begun: Instant,
    kinds: [Kind; Outcome::COUNT],
}

#[derive(Debug)]
struct Kind {
    /// When the lines of the last minute were written, in nanoseconds from `begun`, counted from one. A place is free
    /// again after a minute, so that no minute, whenever it begins, has more lines than there are places.
    places: [AtomicU64; MOST],
    /// Lines that had no place since the last one that was written.
    omitted: AtomicU64,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            kinds: [const { Kind::new() }; Outcome::COUNT],
        }
    }

    /// Room for a line on this outcome; `None` where it is to be omitted.
    pub(super) fn line(&self, level: Level, outcome: Outcome) -> Option<Line<'_>> {
        // That all is off may also mean that the lines go to the crate `log`.
        let most = LevelFilter::current();
        if most != LevelFilter::OFF && level > most {
            return None;
        }
        let kind = &self.kinds[outcome.index()];
        let now = self.begun.elapsed().as_nanos() as u64 + 1;
        for place in &kind.places {
            let before = place.load(Relaxed);
            let is_free = before == NEVER || now.saturating_sub(before) >= PERIOD;
            if is_free
                && place
                    .compare_exchange(before, now, Relaxed, Relaxed)
                    .is_ok()
            {
                return Some(Line {
                    kind,
                    place,
                    before,
                    is_written: Cell::new(false),
                });
            }
        }
        kind.omitted.fetch_add(1, Relaxed);
        None
    }
}

impl Kind {
    const fn new() -> Self {
        Self {
            places: [const { AtomicU64::new(NEVER) }; MOST],
            omitted: AtomicU64::new(0),
        }
    }
}

/// One place, which is free again if nothing is written.
pub(super) struct Line<'a> {
    kind: &'a Kind,
    place: &'a AtomicU64,
    before: u64,
    is_written: Cell<bool>,
}

impl Line<'_> {
    /// The number of lines omitted before this one. It is called as a field of the line, which is evaluated only where
    /// the subscriber wants the line. To ask the subscriber beforehand would leave its filters per layer in the middle
    /// of an event that never comes, and their layers would miss the next one.
    pub(super) fn omitted(&self) -> Option<u64> {
        self.is_written.set(true);
        Some(self.kind.omitted.swap(0, Relaxed)).filter(|omitted| *omitted > 0)
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.is_written.get() {
            self.place.store(self.before, Relaxed);
        }
    }
}
