//! `CompareReport`: all that is known of a comparison, as plain data.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    core::Core,
    drop_reason::DropReason,
    features::InCommon,
    settings::BaselineKind,
    table::{PathRow, Route},
};
use crate::compare::{Accept, LatencyHistogram, Quantile, RouteEvidence, Tally, Verdict};

/// All that is known of a comparison at one moment. Its [`Display`](std::fmt::Display) is a page for people, and
/// [`to_json`](Self::to_json) is for tools.
///
/// It contains route labels, normalised paths, kinds of differences and counts. It contains no value of any answer.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use tower_mirror::{MirrorLayer, compare::Compare};
///
/// # fn main() -> Result<(), tower_mirror::compare::CompareError> {
/// let layer = Compare::alone().layer(MirrorLayer::builder(Router::<()>::new()).name("catalog-v2"))?;
/// let report = layer.handle().report();
/// assert_eq!((report.compared, report.verdict.as_str()), (0, "inconclusive"));
/// assert!(report.to_string().starts_with("catalog-v2"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompareReport {
    /// The name of the mirror.
    pub mirror: Arc<str>,
    /// Is the shadow right? A FAIL is latched.
    pub verdict: Verdict,
    /// When a look found the FAIL for the first time.
    pub failed_at: Option<SystemTime>,
    /// When the comparison began, or was reset.
    pub began_at: SystemTime,
    /// The time since then.
    pub elapsed: Duration,
    /// Where the third answer comes from. It decides whether the error rate holds.
    pub baseline: BaselineKind,
    /// What is accepted from the shadow.
    pub accept: Accept,
    /// Requests that were compared and counted.
    pub compared: u64,
    /// Requests that were compared and not counted, because they belong to the warm-up.
    pub warm_up: u64,
    /// Requests that are under way.
    pub open: u64,
    /// Requests that were mirrored and not compared, by reason. A reason that never applied is missing.
    pub not_compared: Vec<(DropReason, u64)>,
    /// Panics of observers of differences.
    pub observer_panics: u64,
    /// The routes, in the order in which they first appeared.
    pub routes: Vec<RouteReport>,
    /// What is not judged, because it differs in v1's own answers too.
    pub noisy_paths: Vec<NoisyPath>,
}

/// One route of a [`CompareReport`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteReport {
    /// The method and the route label.
    pub route: Arc<str>,
    /// The counts of whole answers.
    pub tally: Tally,
    /// Requests in which both sides differ from the primary: at the same paths, which is cancelled, or each at a path of its own.
    pub both: u64,
    /// Requests with a wanted difference.
    pub expected: u64,
    /// Requests of which nothing of the body could be judged.
    pub not_judged: u64,
    /// The evidence and the interval.
    pub evidence: RouteEvidence,
    /// The 99th percentile of the shadow's latency, from the call to the end of the answer.
    pub shadow_p99: Option<Duration>,
    /// The same of the baseline.
    pub baseline_p99: Option<Duration>,
    /// What the requests have in common in which only the shadow differs, the most telling first.
    pub in_common: Vec<InCommon>,
    /// The paths that differ, those with the most differences of the shadow first.
    pub paths: Vec<PathReport>,
}

impl RouteReport {
    /// `fail`, `pass` or `inconclusive`, of this route by itself at this moment.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match () {
            () if self.evidence.is_fail() => "fail",
            () if self.evidence.is_pass() => "pass",
            () => "inconclusive",
        }
    }
}

/// One path of a [`RouteReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathReport {
    /// The normalised path. A key that was seen in fewer than 5 requests is `{key}`.
    pub path: String,
    /// The kind of difference.
    pub kind: &'static str,
    /// Requests in which only the shadow differs here.
    pub shadow_only: u64,
    /// Requests in which only the baseline differs here.
    pub baseline_only: u64,
    /// Requests in which both differ here, so that the difference is cancelled.
    pub both: u64,
    /// Requests in which the shadow differs here as it should.
    pub expected: u64,
    /// Whether the path no longer counts in the judgement of whole answers, because it is noisy in v1.
    pub is_masked: bool,
}

/// A path that is not judged, or less than others, because v1's own answers differ there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NoisyPath {
    /// The method and the route label.
    pub route: Arc<str>,
    /// The normalised path.
    pub path: String,
    /// The kind of difference.
    pub kind: &'static str,
    /// The share of the requests in which two answers of v1 differ here, from 0 to 1.
    pub share: f64,
    /// Whether the path is masked. Otherwise the difference is cancelled in each request by itself.
    pub is_masked: bool,
}

impl CompareReport {
    pub(super) fn of(core: &Core) -> Self {
        let settings = &core.settings;
        let accept = settings.accept;
        let mut table = core.ledger.table();
        let elapsed = table.began.elapsed();
        let verdict = table.look(elapsed);
        let rows = table.rows(elapsed);
        let routes: Vec<RouteReport> = table
            .routes
            .iter()
            .zip(&rows)
            .enumerate()
            .map(|(place, (route, row))| {
                let evidence = RouteEvidence::of(row, place, &accept);
                RouteReport::of(route, row.whole(), evidence, elapsed)
            })
            .collect();
        let noisy_paths = table.routes.iter().flat_map(|route| noisy(route, elapsed));
        Self {
            mirror: Arc::clone(&core.ledger.mirror),
            verdict,
            failed_at: table.failed_at,
            began_at: table.began_at,
            elapsed,
            baseline: settings.baseline,
            accept,
            compared: rows
                .iter()
                .map(|row| row.whole().requests().compared())
                .sum(),
            warm_up: settings.warm_up - table.warm_up_left,
            open: core.ledger.open.count(),
            not_compared: core.ledger.dropped(),
            observer_panics: core.ledger.observer_panics(),
            noisy_paths: noisy_paths.collect(),
            routes,
        }
    }

    /// How many more requests PASS needs if everything goes on as before. `None`: it is decided, or more requests of this kind do not lead to
    /// PASS.
    #[must_use]
    pub fn missing(&self) -> Option<u64> {
        match &self.verdict {
            Verdict::Inconclusive { missing, .. } => *missing,
            _ => None,
        }
    }

    /// How long this will take at the present rate.
    #[must_use]
    pub fn time_missing(&self) -> Option<Duration> {
        self.time_for(self.missing()?, self.compared)
    }

    /// The time for `missing` requests of those of which `compared` came until now.
    pub(super) fn time_for(&self, missing: u64, compared: u64) -> Option<Duration> {
        let each = self.elapsed.as_secs_f64() / compared as f64;
        Duration::try_from_secs_f64(each * missing as f64).ok()
    }
}

impl RouteReport {
    fn of(route: &Route, tally: Tally, evidence: RouteEvidence, at: Duration) -> Self {
        let p99 = |latency: &LatencyHistogram| latency.quantile(Quantile::P99);
        let mut paths: Vec<_> = route.paths.iter().map(|row| path(route, row, at)).collect();
        paths.sort_by_key(|path| std::cmp::Reverse((path.shadow_only, path.expected)));
        Self {
            route: Arc::clone(&route.label),
            tally,
            both: route.both,
            expected: route.expected,
            not_judged: route.not_judged,
            evidence,
            shadow_p99: p99(&route.shadow_latency),
            baseline_p99: p99(&route.baseline_latency),
            in_common: route.features.in_common(),
            paths,
        }
    }
}

fn path(route: &Route, row: &PathRow, at: Duration) -> PathReport {
    let counts = row.counter.tally(at).requests();
    PathReport {
        path: row.path.clone(),
        kind: row.kind,
        shadow_only: counts.shadow_only(),
        baseline_only: counts.baseline_only(),
        both: row.both,
        expected: row.expected,
        is_masked: row.key.is_some_and(|key| route.mask.is_masked(&key)),
    }
}

/// The paths at which v1's own answers differ.
fn noisy(route: &Route, at: Duration) -> Vec<NoisyPath> {
    let noise = |row: &PathRow| {
        let report = path(route, row, at);
        let compared = row.counter.tally(at).requests().compared();
        let differing = report.baseline_only + report.both;
        let is_noise = report.is_masked || report.both > 0;
        (is_noise && compared > 0).then(|| NoisyPath {
            route: Arc::clone(&route.label),
            path: report.path,
            kind: report.kind,
            share: differing as f64 / compared as f64,
            is_masked: report.is_masked,
        })
    };
    route.paths.iter().filter_map(noise).collect()
}
