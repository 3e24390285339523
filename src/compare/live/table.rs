//! `Table`: the counts of all routes and their paths, within bounds.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Method;
use tokio::time::Instant;

use super::{
    features::{FeatureCounts, Features},
    rare::pooled,
    settings::Settings,
};
use crate::compare::{
    Accept, BlockCounter, Finding, Kind, LatencyHistogram, LatencyTest, NoiseMask, PathId,
    RouteCounts, Verdict, VerdictLatch, blocks::number_of, judge,
};
use crate::sample::SampleRate;

/// Routes with a row of their own. All others share one more.
const MOST_ROUTES: usize = 64;
/// Paths with a row of their own in one route. All others share one more.
const MOST_PATHS: usize = 200;
/// The label of the rows that others share.
pub(super) const OTHER: &str = "other";

/// A path and the kind of difference at it.
pub(super) type PathKey = (PathId, Kind);

/// What the comparison of one request has found.
#[derive(Debug)]
pub(super) struct Judged {
    /// What differs only in the shadow, and is judged.
    pub(super) shadow_only: Vec<Found>,
    /// What differs only in the baseline, and is judged.
    pub(super) baseline_only: Vec<Found>,
    /// What differs in both and is cancelled.
    pub(super) both: Vec<Found>,
    /// Wanted differences of the shadow.
    pub(super) expected: Vec<Found>,
    /// Nothing of the bodies could have shown a difference.
    pub(super) is_blind: bool,
    /// Of the shadow and of the baseline, as far as they gave a whole answer.
    pub(super) latencies: [Option<Duration>; 2],
    pub(super) features: Features,
}

/// One difference with the path as a report may show it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) key: PathKey,
    pub(super) path: String,
}

pub(super) struct Table {
    pub(super) began: Instant,
    pub(super) began_at: SystemTime,
    pub(super) warm_up_left: u64,
    pub(super) routes: Vec<Route>,
    index: HashMap<(Label, Option<Arc<str>>), usize>,
    latch: VerdictLatch,
    accept: Accept,
    rare: SampleRate,
    /// The number of the block in which the verdict was looked at.
    looked_in: u64,
    block: Duration,
    /// When the comparison was found to have failed.
    pub(super) failed_at: Option<SystemTime>,
    /// By route and finding, over all comparisons until now. A reset does not take them back.
    pub(super) totals: HashMap<Arc<str>, Totals>,
    has_baseline: bool,
    latency: Option<LatencyTest>,
}

/// What was counted on one route over all comparisons.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// In the order of [`Finding::ALL`].
    pub(crate) findings: [u64; 4],
    pub(crate) not_judged: u64,
}

/// A method as a label: the few that have a meaning.
type Label = &'static str;

pub(super) struct Route {
    pub(super) label: Arc<str>,
    pub(super) whole: BlockCounter,
    /// As `whole`, but without any finding: what a path has counted before it first differed.
    blank: BlockCounter,
    pub(super) both: u64,
    pub(super) expected: u64,
    pub(super) not_judged: u64,
    pub(super) mask: NoiseMask<PathKey>,
    pub(super) paths: Vec<PathRow>,
    index: HashMap<PathKey, usize>,
    test: Option<LatencyTest>,
    slow: Option<BlockCounter>,
    pub(super) features: FeatureCounts,
    pub(super) shadow_latency: LatencyHistogram,
    pub(super) baseline_latency: LatencyHistogram,
}

pub(super) struct PathRow {
    /// `None`: the row that all further paths share.
    pub(super) key: Option<PathKey>,
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) counter: BlockCounter,
    pub(super) both: u64,
    pub(super) expected: u64,
}

impl Table {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            began: Instant::now(),
            began_at: SystemTime::now(),
            warm_up_left: settings.warm_up,
            routes: Vec::new(),
            index: HashMap::new(),
            latch: VerdictLatch::new(),
            accept: settings.accept,
            rare: settings.rare,
            looked_in: 0,
            block: settings.block,
            failed_at: None,
            totals: HashMap::new(),
            has_baseline: !settings.is_alone(),
            latency: settings
                .accept
                .latency_limit()
                .filter(|_| !settings.is_alone())
                .map(LatencyTest::new),
        }
    }

    /// Counts one request that arrived `at` that time after the beginning. The warm-up only teaches the masks and the
    /// quantiles.
    pub(super) fn record(
        &mut self,
        method: &Method,
        route: Option<&Arc<str>>,
        at: Duration,
        judged: &Judged,
    ) -> (Arc<str>, Finding) {
        let is_warm_up = self.warm_up_left > 0;
        self.warm_up_left = self.warm_up_left.saturating_sub(1);
        let place = self.place(method, route);
        let row = &mut self.routes[place];
        let not_judged = row.not_judged;
        let finding = row.record(at, judged, is_warm_up);
        if !is_warm_up {
            let shown = match finding {
                Finding::Equal if !judged.both.is_empty() => Finding::Both,
                finding => finding,
            };
            row.both += u64::from(shown == Finding::Both);
            let totals = self.totals.entry(Arc::clone(&row.label)).or_default();
            if let Some(place) = Finding::ALL.iter().position(|known| *known == shown) {
                totals.findings[place] += 1;
            }
            totals.not_judged += row.not_judged - not_judged;
        }
        (Arc::clone(&row.label), finding)
    }

    fn place(&mut self, method: &Method, route: Option<&Arc<str>>) -> usize {
        let key = (label(method), route.cloned());
        if let Some(place) = self.index.get(&key) {
            return *place;
        }
        // The index has no more entries than there are rows, since a route may be a label without bounds.
        let text: Arc<str> = match self.routes.len() {
            0..MOST_ROUTES => format!("{} {}", key.0, route.map_or("*", |route| route)).into(),
            MOST_ROUTES => OTHER.into(),
            _ => return MOST_ROUTES,
        };
        let place = self.routes.len();
        let (has_baseline, test) = (self.has_baseline, self.latency.clone());
        self.routes
            .push(Route::new(text, has_baseline, self.block, test));
        if place < MOST_ROUTES {
            self.index.insert(key, place);
        }
        place
    }

    /// Looks at the verdict once in a block, so that a FAIL is found when it is due, also if no report is read.
    pub(super) fn look_once_in_a_block(&mut self, at: Duration) {
        let block = number_of(at, self.block);
        if block > self.looked_in {
            self.looked_in = block;
            self.look(at);
        }
    }

    /// The verdict. FAIL is latched.
    pub(super) fn look(&mut self, at: Duration) -> Verdict {
        let rows = self.rows(at);
        let verdict = self.latch.look(&rows, &self.accept);
        if verdict.is_fail() {
            self.failed_at.get_or_insert_with(SystemTime::now);
            return verdict;
        }
        let Some(pooled) = pooled(&rows, self.rare) else {
            return verdict;
        };
        match judge(&pooled, &self.accept) {
            // Which routes are rare changes with the traffic, so only the routes themselves can fail.
            Verdict::Fail(_) => verdict,
            of_pooled => of_pooled,
        }
    }

    /// What is judged, in the order in which the routes first appeared.
    pub(super) fn rows(&self, at: Duration) -> Vec<RouteCounts> {
        self.routes.iter().map(|route| route.row(at)).collect()
    }
}

impl Route {
    fn new(
        label: Arc<str>,
        has_baseline: bool,
        block: Duration,
        test: Option<LatencyTest>,
    ) -> Self {
        let counter = match has_baseline {
            true => BlockCounter::paired(),
            false => BlockCounter::alone(),
        };
        let counter = counter.with_block(block);
        Self {
            label,
            slow: test.is_some().then(|| counter.clone()),
            whole: counter.clone(),
            blank: counter,
            both: 0,
            expected: 0,
            not_judged: 0,
            mask: NoiseMask::new(),
            paths: Vec::new(),
            index: HashMap::new(),
            test,
            features: FeatureCounts::default(),
            shadow_latency: LatencyHistogram::new(),
            baseline_latency: LatencyHistogram::new(),
        }
    }

    fn record(&mut self, at: Duration, judged: &Judged, is_warm_up: bool) -> Finding {
        let keys = |found: &[Found]| found.iter().map(|found| found.key).collect::<Vec<_>>();
        let (shadow, baseline) = (keys(&judged.shadow_only), keys(&judged.baseline_only));
        let finding = self.mask.judge(&shadow, &baseline);
        let [shadow_latency, baseline_latency] = judged.latencies;
        let slow = match (&mut self.test, shadow_latency, baseline_latency) {
            (Some(test), Some(shadow), Some(baseline)) => test.record(shadow, baseline),
            _ => None,
        };
        if is_warm_up {
            return finding;
        }
        if let Some(latency) = shadow_latency {
            self.shadow_latency.record(latency);
        }
        if let Some(latency) = baseline_latency {
            self.baseline_latency.record(latency);
        }
        if let (Some(slow), Some(counter)) = (slow, &mut self.slow) {
            counter.record(at, slow);
        }
        self.whole.record(at, finding);
        self.expected += u64::from(!judged.expected.is_empty());
        // What showed a difference was judged, whatever it was.
        self.not_judged += u64::from(judged.is_blind && finding == Finding::Equal);
        let is_failing = matches!(finding, Finding::ShadowOnly | Finding::Both);
        self.features.record(&judged.features, is_failing);
        self.record_paths(at, judged);
        self.blank.record(at, Finding::Equal);
        finding
    }

    /// Each path has a coin of its own, masked or not. A request without a difference at a path counts for it too.
    fn record_paths(&mut self, at: Duration, judged: &Judged) {
        let mut here: HashMap<usize, (bool, bool)> = HashMap::new();
        for found in &judged.shadow_only {
            here.entry(self.path(found)).or_default().0 = true;
        }
        for found in &judged.baseline_only {
            here.entry(self.path(found)).or_default().1 = true;
        }
        for found in &judged.both {
            let place = self.path(found);
            self.paths[place].both += 1;
        }
        for found in &judged.expected {
            let place = self.path(found);
            self.paths[place].expected += 1;
        }
        for (place, row) in self.paths.iter_mut().enumerate() {
            let (shadow, baseline) = here.get(&place).copied().unwrap_or_default();
            row.counter.record(at, Finding::of(shadow, baseline));
        }
    }

    fn path(&mut self, found: &Found) -> usize {
        if let Some(place) = self.index.get(&found.key) {
            // A name is shown once it was seen in enough requests.
            let row = &mut self.paths[*place];
            if row.path != found.path {
                row.path.clone_from(&found.path);
            }
            return *place;
        }
        let place = self.paths.len();
        let is_own = match place {
            0..MOST_PATHS => true,
            MOST_PATHS => false,
            _ => return MOST_PATHS,
        };
        let (path, kind) = match is_own {
            true => (found.path.as_str(), found.key.1.as_str()),
            false => (":other", OTHER),
        };
        self.paths.push(PathRow {
            key: is_own.then_some(found.key),
            path: path.to_owned(),
            kind,
            counter: self.blank.clone(),
            both: 0,
            expected: 0,
        });
        if is_own {
            self.index.insert(found.key, place);
        }
        place
    }

    fn row(&self, at: Duration) -> RouteCounts {
        let row = RouteCounts::new(&*self.label, self.whole.tally(at)).not_judged(self.not_judged);
        let row = self.paths.iter().fold(row, |row, path| {
            row.path(&path.path, path.kind, path.counter.tally(at))
        });
        match (&self.slow, &self.test) {
            (Some(slow), Some(test)) => row.latency(slow.tally(at), test.slow_in_baseline()),
            _ => row,
        }
    }
}

/// The methods of RFC 9110 and PATCH. Any other one is a text of the client.
fn label(method: &Method) -> Label {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let is_it = |known: &&&str| **known == method.as_str();
    KNOWN.iter().find(is_it).copied().unwrap_or("_OTHER")
}
