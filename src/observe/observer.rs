//! The `Observer` trait.

use super::{Outcome, Report};
use crate::request_head::RequestHead;

/// Receives the result of each request.
///
/// The trait is implemented for closures `Fn(&Report)`. An observer must be fast and must not
/// block: it runs on the copy's task, or on the primary's task if the primary ends last. It may
/// count, or send to a channel. A panic in it is caught and counted in
/// [`MirrorStats::observer_panics`](super::MirrorStats::observer_panics).
///
/// # Example
///
/// ```
/// use std::sync::mpsc::{SyncSender, sync_channel};
///
/// use tower_mirror::{HttpTarget, MirrorLayer, Report, observe::Observer};
///
/// /// Sends reports to another thread, and drops a report if the channel is full.
/// struct Reports(SyncSender<Report>);
///
/// impl Observer for Reports {
///     fn on_report(&self, report: &Report) {
///         let _ = self.0.try_send(report.clone());
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = sync_channel(1000);
/// let mirror = MirrorLayer::builder(HttpTarget::new("http://127.0.0.1:9002")?)
///     .observe_with(Reports(sender))
///     .build();
/// # let _ = (mirror, receiver);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot observe a mirror",
    label = "neither an `Observer` nor a closure `|report: &Report| {{ .. }}`"
)]
pub trait Observer: Send + Sync + 'static {
    /// Called once for each admitted request, after its copy and its primary have ended and its
    /// outcome was counted.
    fn on_report(&self, report: &Report);

    /// Called for each request that is not copied, with the outcome that says why. It runs on the
    /// primary's path, before the primary is called. The default implementation does nothing.
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
