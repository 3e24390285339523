//! The `MirrorHandle`, which controls and reads a mirror while it runs.

use std::{iter, pin::pin, sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::{gate::Gate, state::MirrorState};
use crate::{
    observe::MirrorStats,
    sample::SampleRate,
    time::{try_sleep, until},
};

/// Controls and reads one mirror, with all its clones and routes.
/// [`MirrorLayer::handle`](super::MirrorLayer::handle) creates it. Clones of a handle control the
/// same mirror.
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
    /// The state of the second copies, if there are any. A second copy begins before the first copy
    /// of its request ends, so `wait_idle` waits for the second copies last.
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

    /// The share of requests that is currently copied.
    #[must_use]
    pub fn sample_rate(&self) -> SampleRate {
        self.shared.rate()
    }

    /// Changes the share for the requests that arrive from now on. The state of the draw is not
    /// reset.
    pub fn set_sample_rate(&self, rate: SampleRate) {
        self.shared.set_rate(rate);
    }

    /// Admits no further copy until [`resume`](Self::resume) is called. Copies in flight continue.
    /// The outcome of requests that arrive in the meantime is `paused`.
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

    /// A snapshot of the outcomes of all requests so far.
    #[must_use]
    pub fn stats(&self) -> MirrorStats {
        self.shared.stats()
    }

    /// Waits until no copy is in flight. New copies are still admitted. This is for tests, and for
    /// [`stats`](Self::stats) that do not change while they are read. When it returns, all outcomes
    /// have been counted, and the reports of all requests whose primary has ended too have been
    /// made.
    pub async fn wait_idle(&self) {
        self.shared.gate.empty().await;
        if let Some(partner) = &self.partner {
            partner.gate.empty().await;
        }
    }

    /// Ends the mirror permanently: admits no further copy, waits for the copies in flight, aborts
    /// the remaining copies at the deadline, and returns their number.
    ///
    /// Afterwards no task, permit or byte of any copy remains. Requests are then served only by the
    /// primary, and their outcome is `draining`. The connections to the shadow are closed when the
    /// shadow's service is dropped. Call this method after the server has stopped; otherwise,
    /// requests that arrive late are not copied. Without a runtime, or in a runtime without timers,
    /// the deadline is zero, and the drain does not wait for the copies that it has aborted.
    ///
    /// An aborted copy ends as soon as its task runs. A drain cannot end a copy whose runtime is
    /// not driven, or whose shadow blocks its thread: the drain waits 250 ms for this copy and then
    /// returns, with [`left`](DrainReport::left) above 0. Several drains may run at the same time;
    /// exactly one of them reports each aborted copy.
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

/// How long a drain waits for the tasks of the copies that it has aborted. These tasks need
/// microseconds, unless they do not run at all.
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
    /// The number of copies that were aborted at the deadline. It is 0 if all copies ended in time.
    pub aborted: u64,
    /// The number of copies that have not ended when the drain returns, because their tasks do not
    /// run. When the tasks run again, these copies end as `aborted`, and a later drain reports
    /// them.
    pub left: usize,
}
