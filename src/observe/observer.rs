//! Who is told.

use super::{Outcome, Report};
use crate::request_head::RequestHead;

/// Is told what became of requests, one by one.
///
/// Implemented for closures `Fn(&Report)`. An observer must be quick and must not
/// block: it runs on the copy's task, or, where the primary ends last, on the
/// primary's. Have it count, or send to a channel. A panic in it is caught and
/// counted in [`MirrorStats::observer_panics`](super::MirrorStats::observer_panics).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot observe a mirror",
    label = "neither an `Observer` nor a closure `|report: &Report| {{ .. }}`"
)]
pub trait Observer: Send + Sync + 'static {
    /// A copy that was admitted has ended, and so has its primary. Called once for
    /// each admitted request, after its outcome was counted.
    fn on_report(&self, report: &Report);

    /// No copy of this request is made, for this reason. Called on the primary's
    /// path, before the primary. Does nothing unless implemented.
    fn on_skip(&self, outcome: Outcome, head: &RequestHead<'_>) {
        let _ = (outcome, head);
    }
}

impl<F> Observer for F
where
    F: Fn(&Report) + Send + Sync + 'static,
{
    fn on_report(&self, report: &Report) {
        self(report);
    }
}
