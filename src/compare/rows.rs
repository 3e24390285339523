//! `RouteCounts`: what was counted on one route, the input of a verdict.

use super::Tally;

/// The counts of one path of a route, such as `/items/*/price`, and one kind of difference.
///
/// All requests of the route count as compared, also those before the path first differed.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{PathCounts, Tally};
///
/// let path = PathCounts::new("/items/*/price", "value", Tally::default());
/// assert_eq!((path.path(), path.kind()), ("/items/*/price", "value"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCounts {
    path: String,
    kind: String,
    tally: Tally,
}

impl PathCounts {
    /// `kind` is the label of the kind of difference, such as `added`.
    #[must_use]
    pub fn new(path: impl Into<String>, kind: impl Into<String>, tally: Tally) -> Self {
        Self {
            path: path.into(),
            kind: kind.into(),
            tally,
        }
    }

    /// The normalised path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The kind of difference.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The counts.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }
}

/// The counts of one route: of whole answers, and as far as they are known of its paths and of its latency.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Counts, RouteCounts, Tally};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// let minutes = [Counts::paired(900, 4, 0)?, Counts::paired(950, 3, 0)?];
/// let row = RouteCounts::new("GET /items", Tally::from_blocks(minutes))
///     .path("/items/*/price", "value", Tally::from_blocks(minutes));
/// assert_eq!(row.paths().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCounts {
    route: String,
    whole: Tally,
    not_judged: u64,
    paths: Vec<PathCounts>,
    latency: Option<(Tally, u64)>,
}

impl RouteCounts {
    /// A route with the counts of its whole answers: the shadow differs if anything differs that is not ignored, masked,
    /// expected or cancelled.
    #[must_use]
    pub fn new(route: impl Into<String>, whole: Tally) -> Self {
        Self {
            route: route.into(),
            whole,
            not_judged: 0,
            paths: Vec::new(),
            latency: None,
        }
    }

    /// Adds a path. The order of the calls is that in which the paths first differed.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>, kind: impl Into<String>, tally: Tally) -> Self {
        self.paths.push(PathCounts::new(path, kind, tally));
        self
    }

    /// Of the compared requests, those in which nothing of the body could be judged, since all of it is masked or also
    /// differs between two answers of v1. They do not count for PASS. The default is 0.
    #[must_use]
    pub fn not_judged(mut self, requests: u64) -> Self {
        self.not_judged = requests;
        self
    }

    /// The counts of slow requests, as [`LatencyTest`](super::LatencyTest) finds them, and all requests in which the baseline was slow,
    /// whatever the shadow was.
    ///
    /// PASS needs the latter: with the quantile p99 the baseline is slow in about 1 of 100 requests. Where it is slow less than half as
    /// often, the limit lies too high to show anything, and only a part of the requests counts.
    #[must_use]
    pub fn latency(mut self, slow: Tally, slow_in_baseline: u64) -> Self {
        self.latency = Some((slow, slow_in_baseline));
        self
    }

    /// The label of the route.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The counts of whole answers.
    #[must_use]
    pub const fn whole(&self) -> Tally {
        self.whole
    }

    /// The paths in their order.
    #[must_use]
    pub fn paths(&self) -> &[PathCounts] {
        &self.paths
    }

    /// The counts of slow requests, and all requests in which the baseline was slow.
    #[must_use]
    pub const fn slow(&self) -> Option<(Tally, u64)> {
        self.latency
    }

    /// The requests that are not counted for PASS.
    #[must_use]
    pub const fn requests_not_judged(&self) -> u64 {
        self.not_judged
    }
}
