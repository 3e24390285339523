//! `RouteEvidence`: the evidence on one route, for the verdict and for a report.

use std::borrow::Cow;

use super::{
    Accept, Confidence, Counts, Interval, LatencyLimit, RouteCounts, Tally, evidence,
    ln_e_any_path, path_weight, route_weight, verdict::SLOW,
};

/// The evidence on one route, for a report.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Counts, RouteCounts, RouteEvidence, Tally};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// let row = RouteCounts::new("GET /search", Tally::from_blocks([Counts::paired(961, 0, 0)?]));
/// let route = RouteEvidence::of(&row, 0, &Accept::default());
/// assert!(!route.is_pass() && !route.is_fail());
/// assert_eq!(route.missing(), Some(2_683));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteEvidence {
    ln_e_above: f64,
    ln_e_below: f64,
    place: usize,
    accept: Accept,
    whole: Counts,
    judged: Judged,
    /// `None` also where the latency is not judged.
    slow: Option<Judged>,
}

impl RouteEvidence {
    /// Computes the evidence of the route at `place`, from 0, in the list of rows.
    #[must_use]
    pub fn of(row: &RouteCounts, place: usize, accept: &Accept) -> Self {
        let d = accept.tolerated();
        let parts = parts(row, accept);
        let of_paths: Vec<f64> = parts.iter().skip(1).map(|part| part.ln_e).collect();
        let halves = [row.whole().ln_e_above(d), ln_e_any_path(&of_paths)];
        let ln_e_above =
            evidence::ln_sum(halves.into_iter().map(|half| half - std::f64::consts::LN_2));

        let judged = Judged::whole(row);
        let mut ln_e_below = judged.counts.ln_e_below(d);
        let mut slow = None;
        if let Some(limit) = accept.latency_limit() {
            slow = Judged::slow(row, limit);
            // What was not measured is not proven.
            let of_slow = slow.map_or(0.0, |slow| slow.counts.ln_e_below(limit.tolerated()));
            ln_e_below = ln_e_below.min(of_slow);
        }
        Self {
            ln_e_above,
            ln_e_below,
            place,
            accept: *accept,
            whole: row.whole().requests(),
            judged,
            slow,
        }
    }

    /// The evidence for FAIL in nats: of the whole answers, the paths and the latency together.
    #[must_use]
    pub const fn ln_e_above(&self) -> f64 {
        self.ln_e_above
    }

    /// The evidence for PASS in nats: the smaller one of the whole answers and the latency.
    #[must_use]
    pub const fn ln_e_below(&self) -> f64 {
        self.ln_e_below
    }

    /// The excess of the whole answers with its bounds, as [`Counts::interval`] computes them.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.whole.interval(self.accept.level())
    }

    /// The requests that are missing until PASS if the route goes on as before; `None` if it never passes this way.
    #[must_use]
    pub fn missing(&self) -> Option<u64> {
        let level = self.accept.level();
        let missing = self.judged.missing(self.accept.tolerated(), level)?;
        match self.accept.latency_limit() {
            Some(limit) => Some(missing.max(self.slow?.missing(limit.tolerated(), level)?)),
            None => Some(missing),
        }
    }

    /// Whether this route fails by itself, with its weight among all routes.
    #[must_use]
    pub fn is_fail(&self) -> bool {
        self.ln_e_above + route_weight(self.place).ln() >= self.accept.level().ln_level()
    }

    /// Whether this route passes.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.ln_e_below >= self.accept.level().ln_level()
    }
}

/// The counts for PASS, without the requests that could not have shown a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    counts: Counts,
    /// All compared requests.
    all: u64,
}

impl Judged {
    /// At most `most` requests are judged, and all that showed a difference anyway. A request that is left out can only lower
    /// the evidence for PASS.
    fn new(tally: &Tally, most: u64) -> Self {
        let counts = tally.capped();
        let (s, f) = (counts.shadow_only(), counts.baseline_only());
        let compared = counts.compared().min(most).max(s.saturating_add(f));
        Self {
            counts: Counts::unchecked(compared, s, f, counts.has_baseline()),
            all: counts.compared(),
        }
    }

    pub(super) fn whole(row: &RouteCounts) -> Self {
        let all = row.whole().requests().compared();
        Self::new(&row.whole(), all.saturating_sub(row.requests_not_judged()))
    }

    /// As many requests as the slow ones of the baseline account for, with a factor of 2: where the baseline is hardly ever slow, the
    /// limit lies too high to show that the shadow is slow.
    fn slow(row: &RouteCounts, limit: LatencyLimit) -> Option<Self> {
        let (slow, of_baseline) = row.slow()?;
        let expected = 1.0 - limit.quantile().get();
        let most = 2.0 * of_baseline as f64 / expected;
        Some(Self::new(&slow, most.round() as u64))
    }

    /// Whether requests were compared and nothing in them could be judged.
    pub(super) fn is_blind(&self) -> bool {
        self.all > 0 && self.counts.compared() == 0
    }

    /// How many requests of any kind bring as many requests that can be judged as are missing.
    fn missing(&self, tolerated: f64, confidence: Confidence) -> Option<u64> {
        if self.is_blind() {
            return None;
        }
        let missing = self.counts.missing(tolerated, confidence)?;
        let judged = self.counts.compared();
        if judged == self.all {
            return Some(missing);
        }
        Some((missing as f64 * (self.all as f64 / judged as f64)).ceil() as u64)
    }
}

/// One bet of a route with its share of the route's money.
pub(super) struct Part<'a> {
    pub(super) path: Option<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) tally: Tally,
    pub(super) ln_e: f64,
    pub(super) share: f64,
}

/// The whole answer first, then the latency if it is judged, then the paths.
pub(super) fn parts<'a>(row: &'a RouteCounts, accept: &Accept) -> Vec<Part<'a>> {
    let d = accept.tolerated();
    let mut parts = vec![Part {
        path: None,
        tally: row.whole(),
        ln_e: row.whole().ln_e_above(d),
        share: 0.5,
    }];
    if let Some(limit) = accept.latency_limit() {
        let tally = row.slow().map(|(slow, _)| slow).unwrap_or_default();
        parts.push(Part {
            path: Some((SLOW.into(), limit.quantile().to_string().into())),
            tally,
            ln_e: tally.ln_e_above(limit.tolerated()),
            share: 0.5 * path_weight(0),
        });
    }
    for path in row.paths() {
        parts.push(Part {
            path: Some((path.path().into(), path.kind().into())),
            tally: path.tally(),
            ln_e: path.tally().ln_e_above(d),
            share: 0.5 * path_weight(parts.len() - 1),
        });
    }
    parts
}
