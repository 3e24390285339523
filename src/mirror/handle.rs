//! The `MirrorHandle`, which controls and reads a mirror while it runs.

use std::{iter, pin::pin, sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::{gate::Gate, state::MirrorState};
use crate::{
    observe::MirrorStats,
    sample::SampleRate,
    time::{try_sleep, until},
};

/// Controls and reads one mirror, over all its clones and routes. It is made by
/// [`MirrorLayer::handle`](super::MirrorLayer::handle). Clones control the same mirror.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use tower_mirror::{HttpTarget, MirrorLayer, SampleRate};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mirror = MirrorLayer::new(HttpTarget::new("http://127.0.0.1:9002")?);
/// let handle = mirror.handle();
///
/// handle.set_sample_rate(SampleRate::percent(1.0)?);
/// handle.pause();
/// assert!(handle.is_paused());
/// handle.resume();
///
/// println!("{}", handle.stats());
/// assert_eq!(handle.drain(Duration::from_secs(5)).await.aborted, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MirrorHandle {
    shared: Arc<MirrorState>,
    /// Where the second copies go, if there are any. They began before the first ones ended.
    partner: Option<Arc<MirrorState>>,
}

impl MirrorHandle {
    pub(super) fn new(shared: Arc<MirrorState>, partner: Option<Arc<MirrorState>>) -> Self {
        Self { shared, partner }
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
    pub fn stats(&self) -> MirrorStats {
        self.shared.stats()
    }

    /// Waits until no copy is in flight. New copies are still admitted. This is for tests, and for
    /// [`stats`](Self::stats) that do not change while they are read. All outcomes have been counted by
    /// then, and the reports have been made of all requests whose primary has ended too.
    pub async fn wait_idle(&self) {
        self.shared.gate.empty().await;
        if let Some(partner) = &self.partner {
            partner.gate.empty().await;
        }
    }

    /// Ends the mirror: admits no further copy, for good, waits for those in flight,
    /// aborts at the deadline those that are left, and says how many that were.
    ///
    /// Afterwards no task, permit or byte of any copy is left; requests are served by
    /// the primary only and end as `draining`. Connections end with the shadow's
    /// service. Call it after the server has stopped, or a copy may be missing of
    /// requests that came late. In a runtime without timers, or in none, the deadline is at once, and the drain does not wait
    /// for what it has aborted.
    ///
    /// An aborted copy ends as soon as its task runs. One whose runtime is not driven, or whose shadow blocks its
    /// thread, cannot be ended from here: the drain waits 250 ms for it and then returns, with
    /// [`left`](DrainReport::left) above 0. Several drains may run at the same time; each aborted copy is reported by one
    /// of them.
    pub async fn drain(&self, deadline: Duration) -> DrainReport {
        let partner = self.partner.as_ref().map(|partner| &partner.gate);
        let gates = || iter::once(&self.shared.gate).chain(partner);
        gates().for_each(Gate::close);
        if !self.is_empty_within(deadline).await {
            gates().for_each(Gate::abort);
            self.is_empty_within(ABORTING).await;
        }
        DrainReport {
            aborted: gates().map(Gate::take_aborted).sum(),
            left: gates().map(Gate::inside).sum(),
        }
    }

    async fn is_empty_within(&self, limit: Duration) -> bool {
        let empty = pin!(self.wait_idle());
        match try_sleep(limit) {
            Some(limit) => until(empty, pin!(limit)).await.is_some(),
            None => empty.now_or_never().is_some(),
        }
    }
}

/// How long a drain waits for the tasks of the copies that it has aborted. They need microseconds, or will not run at all.
const ABORTING: Duration = Duration::from_millis(250);

/// How a [drain](MirrorHandle::drain) ended.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use tower_mirror::MirrorHandle;
///
/// async fn shut_down(mirror: MirrorHandle) {
///     let report = mirror.drain(Duration::from_secs(5)).await;
///     println!("{} copies were aborted, {} have not ended", report.aborted, report.left);
/// }
/// # let _ = shut_down;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "copies may have been aborted"]
#[non_exhaustive]
pub struct DrainReport {
    /// Copies that were aborted at the deadline; 0 if all ended in time.
    pub aborted: u64,
    /// Copies that have not ended when the drain returns, because their tasks do not run. They end as `aborted` when
    /// they do, and a later drain reports them.
    pub left: usize,
}
