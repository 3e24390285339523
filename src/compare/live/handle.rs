//! `CompareHandle`: reads and resets a comparison while it runs.

use std::{sync::Arc, time::Duration};

use super::{core::Core, difference::DifferenceReport, report::CompareReport};
#[cfg(feature = "metrics")]
use super::{drop_reason::DropReason, table::Totals};
use crate::compare::Verdict;

/// Reads and resets one comparison. Made by [`CompareLayer::handle`](super::CompareLayer::handle); clones read the same comparison.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use tower_mirror::{MirrorLayer, compare::{Compare, DifferenceReport}};
///
/// # fn main() -> Result<(), tower_mirror::compare::CompareError> {
/// let layer = Compare::alone().layer(MirrorLayer::builder(Router::<()>::new()))?;
/// let handle = layer.handle();
/// handle.on_difference(|difference: &DifferenceReport| println!("{} differs", difference.route));
///
/// assert_eq!(handle.verdict().as_str(), "inconclusive");
/// println!("{}", handle.report());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CompareHandle {
    core: Arc<Core>,
}

impl CompareHandle {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The name of the mirror.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.ledger.mirror
    }

    /// All that is known at this moment. It takes some milliseconds to compute, so it is for reports and not for each request.
    #[must_use]
    pub fn report(&self) -> CompareReport {
        CompareReport::of(&self.core)
    }

    /// The verdict at this moment. A FAIL is latched: it remains until [`reset`](Self::reset).
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut table = self.core.ledger.table();
        let elapsed = table.began.elapsed();
        table.look(elapsed)
    }

    /// Calls `observer` for each compared request in which a side differs from the primary. It is called on the comparing thread,
    /// within its duty. A panic in it is caught and counted in [`CompareReport::observer_panics`].
    pub fn on_difference(&self, observer: impl Fn(&DifferenceReport) + Send + Sync + 'static) {
        self.core.ledger.observe(Arc::new(observer));
    }

    /// Begins a new comparison, for example after another v2 was deployed: the counts, the masks, the quantiles, the warm-up and the latched verdict
    /// begin again. Requests that are under way are not compared.
    pub fn reset(&self) {
        self.core.ledger.reset(&self.core.settings);
    }

    /// Bytes that the answers hold which are not compared yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.core.budget().used()
    }

    /// The time that the comparing thread has worked.
    #[must_use]
    pub fn comparing_time(&self) -> Duration {
        self.core.ledger.busy()
    }

    /// What was counted on each route, over all comparisons until now.
    #[cfg(feature = "metrics")]
    pub(crate) fn totals(&self) -> Vec<(Arc<str>, Totals)> {
        let table = self.core.ledger.table();
        let totals = table.totals.iter();
        totals
            .map(|(route, counts)| (Arc::clone(route), *counts))
            .collect()
    }

    /// How often each reason applied, over all comparisons until now.
    #[cfg(feature = "metrics")]
    pub(crate) fn dropped_totals(&self) -> Vec<(DropReason, u64)> {
        self.core.ledger.dropped_totals()
    }

    /// Waits until no request is under way: each one is compared or dropped. For tests, and for a report that no longer changes.
    /// A request is under way until the client has read its answer and both copies have ended.
    pub async fn wait_idle(&self) {
        self.core.ledger.open.wait_none().await;
    }
}
