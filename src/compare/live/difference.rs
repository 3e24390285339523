//! `DifferenceReport`: one request in which the answers differ, and who is notified of it.

use std::sync::Arc;

use http::StatusCode;

use crate::compare::{Difference, Finding};

/// One compared request in which the shadow or the baseline differs from the primary. It contains no value of any answer and no
/// text of the request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DifferenceReport {
    /// The name of the mirror.
    pub mirror: Arc<str>,
    /// The method and the route label, such as `GET /items/{id}`.
    pub route: Arc<str>,
    /// Which side differs, after masked paths were left out.
    pub finding: Finding,
    /// The paths that differ only in the shadow.
    pub shadow_only: Vec<Difference>,
    /// The paths that differ only in the baseline.
    pub baseline_only: Vec<Difference>,
    /// The status of the primary's answer.
    pub primary: StatusCode,
    /// The status of the shadow's answer. `None`: there was no answer.
    pub shadow: Option<StatusCode>,
    /// The status of the baseline's answer. `None`: there was no answer, or there is no baseline.
    pub baseline: Option<StatusCode>,
}

/// Is notified of each difference, on the comparing thread. Implemented for closures `Fn(&DifferenceReport)`.
pub(super) trait Observe: Send + Sync {
    fn on_difference(&self, difference: &DifferenceReport);
}

impl<F: Fn(&DifferenceReport) + Send + Sync> Observe for F {
    fn on_difference(&self, difference: &DifferenceReport) {
        self(difference);
    }
}
