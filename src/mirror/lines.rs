//! `Lines`: limits a mirror's log lines to ten per minute for each outcome, and counts the omitted
//! lines.

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

/// The limits of all outcomes. There is no lock, because some lines are written on the primary's
/// path.
#[derive(Debug)]
pub(super) struct Lines {
    begun: Instant,
    kinds: [Kind; Outcome::COUNT],
}

#[derive(Debug)]
struct Kind {
    /// The times at which the lines of the last minute were written: nanoseconds since `begun`,
    /// plus one. A place becomes free after one minute. So no interval of one minute has more lines
    /// than there are places.
    places: [AtomicU64; MOST],
    /// The number of lines that were omitted since the last line was written.
    omitted: AtomicU64,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            kinds: [const { Kind::new() }; Outcome::COUNT],
        }
    }

    /// Reserves a place for a line on this outcome. `None` means that the line must be omitted.
    pub(super) fn line(&self, level: Level, outcome: Outcome) -> Option<Line<'_>> {
        // `OFF` may also mean that there is no subscriber and that the lines go to the crate `log`.
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

/// One reserved place. It becomes free again if no line is written.
pub(super) struct Line<'a> {
    kind: &'a Kind,
    place: &'a AtomicU64,
    before: u64,
    is_written: Cell<bool>,
}

impl Line<'_> {
    /// Returns the number of lines that were omitted before this one. The call is a field of the
    /// event, and tracing evaluates fields only if the subscriber accepts the event. The subscriber
    /// is not asked in advance: after such a question its filters per layer expect an event, and if
    /// none follows, their layers miss the next event.
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
