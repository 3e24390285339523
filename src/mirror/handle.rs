//! What steers and reads a mirror while it runs.

use std::{pin::pin, sync::Arc, time::Duration};

use super::shared::Shared;
use crate::{
    clock::{try_sleep, until},
    observe::{Outcome, Stats},
    sample::SampleRate,
};

/// Steers and reads one mirror, over all its clones and routes. Made by
/// [`MirrorLayer::handle`](super::MirrorLayer::handle); clones steer the same mirror.
#[derive(Clone, Debug)]
pub struct MirrorHandle {
    shared: Arc<Shared>,
}

impl MirrorHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The mirror's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The share of requests that is copied now.
    #[must_use]
    pub fn sample_rate(&self) -> SampleRate {
        self.shared.rate()
    }

    /// Changes the share for the requests to come. The draw goes on where it is.
    pub fn set_sample_rate(&self, rate: SampleRate) {
        self.shared.set_rate(rate);
    }

    /// Admits no further copy until [`resume`](Self::resume); those in flight go on.
    /// Requests meanwhile end as `paused`.
    pub fn pause(&self) {
        self.shared.gate.pause();
    }

    /// Undoes [`pause`](Self::pause). A drained mirror stays drained.
    pub fn resume(&self) {
        self.shared.gate.resume();
    }

    /// Whether the mirror is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.gate.is_paused()
    }

    /// A snapshot of what became of the requests so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Waits until no copy is in flight, while new ones are admitted: for tests, and
    /// for a glance at [`stats`](Self::stats) that holds still. Outcomes have been counted by
    /// then, and reports made of requests whose primary has ended too.
    pub async fn idle(&self) {
        self.shared.gate.empty().await;
    }

    /// Ends the mirror: admits no further copy, for good, waits for those in flight,
    /// gives up at the deadline whatever is left, and says how many that was.
    ///
    /// Afterwards no task, permit or byte of any copy is left; requests are served by
    /// the primary alone and end as `draining`. Connections end with the shadow's
    /// service. Call it after the server has stopped, or a copy may be missing of
    /// requests that came late. In a runtime without timers the deadline is at once.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let gate = &self.shared.gate;
        gate.close();
        let in_time = match try_sleep(deadline) {
            Some(deadline) => until(pin!(gate.empty()), pin!(deadline)).await,
            None => None,
        };
        if in_time.is_some() {
            return Drained { aborted: 0 };
        }
        let before = self.stats().outcome(Outcome::Aborted);
        gate.abort();
        gate.empty().await;
        let after = self.stats().outcome(Outcome::Aborted);
        Drained {
            aborted: after - before,
        }
    }
}

/// How a [drain](MirrorHandle::drain) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "copies may have been given up"]
#[non_exhaustive]
pub struct Drained {
    /// Copies given up at the deadline; 0 where all ended in time.
    pub aborted: u64,
}
