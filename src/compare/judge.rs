//! `judge`: from the counts of all routes to a verdict.

use std::borrow::Cow;

use super::{
    Accept, Counts, Reason, RouteCounts, RouteEvidence, Verdict, Why, ln_e_any_route,
    route::{Judged, parts},
    route_weight,
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
    if let Some(row) = rows.iter().find(|row| Judged::whole(row).is_blind()) {
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
