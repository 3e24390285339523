//! `judge`: from the counts of all routes to a verdict.

use std::borrow::Cow;

use super::{
    Accept, Counts, Interval, Reason, RouteCounts, Tally, Verdict, Why, evidence, ln_e_any_path,
    ln_e_any_route, path_weight, route_weight, verdict::SLOW,
};

/// Judges the counts of all routes. It is a pure function of its arguments: it can judge the counts of one process as well as sums over
/// the replicas of a fleet.
///
/// The place of a row decides the weight of its route ([`route_weight`]). A route must keep its place from one look to
/// the next, and the order must not depend on the differences: take the order in which the routes first appeared.
///
/// - **FAIL** if the evidence of all routes together reaches 1 / alpha. The evidence of a route is half that of the
///   whole answers and half the weighted average over its paths; the latency takes the first place of the paths.
/// - **PASS** if each route by itself is proven to be within the tolerance, its latency included. This needs no weights: a wrong PASS
///   needs a wrong proof on the very route that is bad.
/// - Otherwise **inconclusive**, also without data and where nothing could be judged.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Counts, RouteCounts, Tally, judge};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// // Twenty blocks; in each, v2 drops a field in 5 of 100 answers.
/// let tally = Tally::from_blocks([Counts::paired(100, 5, 0)?; 20]);
/// let rows = [RouteCounts::new("GET /items", tally).path("/items/*/price", "removed", tally)];
/// let verdict = judge(&rows, &Accept::default());
/// assert_eq!(
///     verdict.to_string(),
///     "FAIL: GET /items differs only in the shadow in 100 and only in the baseline in 0 of 2000 requests; \
///      GET /items /items/*/price removed differs only in the shadow in 100 and only in the baseline in 0 of 2000 requests"
/// );
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn judge(rows: &[RouteCounts], accept: &Accept) -> Verdict {
    let routes: Vec<RouteEvidence> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| RouteEvidence::of(row, place, accept))
        .collect();
    let ln_e: Vec<f64> = routes.iter().map(RouteEvidence::ln_e_above).collect();
    if ln_e_any_route(&ln_e) >= accept.level().ln_level() {
        return Verdict::Fail(reasons(rows, accept));
    }
    if rows
        .iter()
        .all(|row| row.whole().requests().compared() == 0)
    {
        let missing = Counts::ZERO.missing(accept.tolerated(), accept.level());
        return Verdict::Inconclusive {
            missing,
            why: Why::NoData,
        };
    }
    if routes.iter().all(RouteEvidence::is_pass) {
        return Verdict::Pass;
    }
    let missing: Option<u64> = routes
        .iter()
        .map(RouteEvidence::missing)
        .max_by_key(or_more)
        .flatten();
    Verdict::Inconclusive {
        missing,
        why: why(rows, &routes, accept),
    }
}

/// "Never" is more than any number.
fn or_more(missing: &Option<u64>) -> u64 {
    missing.unwrap_or(u64::MAX)
}

fn why(rows: &[RouteCounts], routes: &[RouteEvidence], accept: &Accept) -> Why {
    let label = |row: &RouteCounts| row.route().to_owned();
    if let Some(row) = rows.iter().find(|row| is_blind(row)) {
        return Why::NothingJudged { route: label(row) };
    }
    let is_unmeasured =
        |row: &&RouteCounts| accept.latency_limit().is_some() && row.slow().is_none();
    if let Some(row) = rows.iter().find(is_unmeasured) {
        return Why::NoLatency { route: label(row) };
    }
    let most = routes
        .iter()
        .zip(rows)
        .max_by_key(|(route, _)| or_more(&route.missing()));
    most.map_or(Why::NoData, |(_, row)| Why::NotEnough { route: label(row) })
}

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
    judged: Counts,
    /// `None` also where the latency is not judged.
    slow: Option<Counts>,
}

impl RouteEvidence {
    /// Computes the evidence of the route at `place`, from 0, in the list of rows.
    #[must_use]
    pub fn of(row: &RouteCounts, place: usize, accept: &Accept) -> Self {
        let d = accept.tolerated();
        let parts = parts(row, accept);
        let of_paths: Vec<f64> = parts.iter().skip(1).map(|part| part.ln_e).collect();
        let halves = [ln_e_whole(row, d), ln_e_any_path(&of_paths)];
        let ln_e_above =
            evidence::ln_sum(halves.into_iter().map(|half| half - std::f64::consts::LN_2));

        let judged = judged(row);
        let slow = row.slow().map(|slow| slow.capped());
        let mut ln_e_below = judged.ln_e_below(d);
        if let Some(limit) = accept.latency_limit() {
            // What was not measured is not proven.
            let of_slow = slow.map_or(0.0, |slow| slow.ln_e_below(limit.tolerated()));
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
        let (d, level) = (self.accept.tolerated(), self.accept.level());
        let (judged, all) = (self.judged.compared(), self.whole.compared());
        let missing = with_not_judged(self.judged.missing(d, level)?, judged, all)?;
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

fn ln_e_whole(row: &RouteCounts, tolerated: f64) -> f64 {
    row.whole().ln_e_above(tolerated)
}

/// The counts for PASS: without the requests that could not be judged, except where they showed a difference anyway.
fn judged(row: &RouteCounts) -> Counts {
    let counts = row.whole().capped();
    let points = counts.shadow_only().saturating_add(counts.baseline_only());
    let compared = counts.compared().saturating_sub(row.requests_not_judged());
    Counts::unchecked(
        compared.max(points),
        counts.shadow_only(),
        counts.baseline_only(),
        counts.has_baseline(),
    )
}

fn is_blind(row: &RouteCounts) -> bool {
    row.whole().requests().compared() > 0 && judged(row).compared() == 0
}

/// How many requests of any kind bring that many requests that can be judged.
fn with_not_judged(missing: u64, judged: u64, all: u64) -> Option<u64> {
    if judged == all || missing == 0 {
        return Some(missing);
    }
    if judged == 0 {
        return None;
    }
    Some((missing as f64 * (all as f64 / judged as f64)).ceil() as u64)
}

/// One bet of a route with its share of the route's money.
struct Part<'a> {
    path: Option<(Cow<'a, str>, Cow<'a, str>)>,
    tally: Tally,
    ln_e: f64,
    share: f64,
}

/// The whole answer first, then the latency if it is judged, then the paths.
fn parts<'a>(row: &'a RouteCounts, accept: &Accept) -> Vec<Part<'a>> {
    let d = accept.tolerated();
    let mut parts = vec![Part {
        path: None,
        tally: row.whole(),
        ln_e: ln_e_whole(row, d),
        share: 0.5,
    }];
    if let Some(limit) = accept.latency_limit() {
        let tally = row.slow().unwrap_or_default();
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

/// Every part that is proven by itself; where none is, those with the most evidence.
fn reasons(rows: &[RouteCounts], accept: &Accept) -> Vec<Reason> {
    let level = accept.level().ln_level();
    let all: Vec<(f64, Reason)> = rows
        .iter()
        .enumerate()
        .flat_map(|(place, row)| {
            parts(row, accept).into_iter().map(move |part| {
                let owned = |(path, kind): (Cow<'_, str>, Cow<'_, str>)| {
                    (path.into_owned(), kind.into_owned())
                };
                let staked = (route_weight(place) * part.share).ln() + part.ln_e;
                let reason = Reason {
                    route: row.route().to_owned(),
                    path: part.path.map(owned),
                    counts: part.tally.requests(),
                    ln_e: part.ln_e,
                    is_proven: staked >= level,
                };
                (staked, reason)
            })
        })
        .collect();
    if all.iter().any(|(_, reason)| reason.is_proven) {
        let proven = all.into_iter().filter(|(_, reason)| reason.is_proven);
        return proven.map(|(_, reason)| reason).collect();
    }
    suspects(all)
}

/// The parts with the most evidence, until they hold nine tenths of it.
fn suspects(mut all: Vec<(f64, Reason)>) -> Vec<Reason> {
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let total: f64 = all.iter().map(|(staked, _)| staked.exp()).sum();
    let mut so_far = 0.0;
    let until = |(staked, reason): (f64, Reason)| {
        let is_needed = so_far < 0.9 * total;
        so_far += staked.exp();
        is_needed.then_some(reason)
    };
    all.into_iter().map_while(until).collect()
}
