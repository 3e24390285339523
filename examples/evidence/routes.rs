//! Fifty routes at once: one bad route is found and named, and fifty chances do not raise the error rate.

use std::time::Duration;

use fastrand::Rng;
use tower_mirror::compare::{
    Accept, BlockCounter, Confidence, Finding, RouteCounts, RouteEvidence, Verdict, judge,
    ln_e_any_route,
};

use crate::{
    check::{Expected, Table},
    noise::is,
    parallel::Runs,
    rules::BLOCK,
};

const ROUTES: usize = 50;
const NOISE: [f64; 4] = [0.0, 0.001, 0.02, 0.3];
const RUNS: usize = 200;

/// One bad route, from 0, and how often it differs more.
type Bad = Option<(usize, f64)>;

struct Found {
    fail: Option<u64>,
    /// Whether the first reason names another route than the bad one.
    is_wrong: bool,
    /// Whether one route by itself would ever have failed, without weights and without blocks.
    uncorrected: bool,
}

pub(crate) fn rows(table: &mut Table, runs: &Runs) {
    table.heading(&format!(
        "Fifty routes, the k-th one has a share of 1/k; noise of 0, 0.1, 2 and 30 %. Tolerated 0. {RUNS} runs."
    ));
    let all = runs.of("routes", RUNS, |random| one(None, 60_000, random));
    let share = |of: fn(&Found) -> bool, all: &[Found]| all.iter().map(of).collect::<Vec<_>>();
    let fails = share(|found| found.fail.is_some(), &all);
    table.share(
        "A/A: FAIL at any look of 60 000 requests",
        &Expected::AtMost(0.05),
        &fails,
    );
    let alarms = share(|found| found.uncorrected, &all);
    let name = "    each route by itself, without weights and blocks";
    table.share(name, &Expected::AtLeast(0.1), &alarms);
    for (name, bad, expected) in [
        (
            "route 1 differs in 1 % more: requests until FAIL",
            (0, 0.01),
            ROUTE_1,
        ),
        (
            "route 1 differs in 10 % more: requests until FAIL",
            (0, 0.1),
            ROUTE_1_MORE,
        ),
        (
            "route 11 differs in 10 % more: requests until FAIL",
            (10, 0.1),
            ROUTE_11,
        ),
        (
            "route 31 differs in 10 % more: requests until FAIL",
            (30, 0.1),
            ROUTE_31,
        ),
    ] {
        let all = runs.of(name, RUNS, |random| one(Some(bad), 400_000, random));
        let fails: Vec<_> = all.iter().map(|found| found.fail).collect();
        table.median(name, &Expected::Median(expected, 1_000), &fails);
        let wrong = share(|found| found.is_wrong, &all);
        table.share(
            "    another route is named first",
            &Expected::AtMost(0.05),
            &wrong,
        );
    }
}

// From a simulation in Python of 1 000 runs.
const ROUTE_1: f64 = 6_000.0;
const ROUTE_1_MORE: f64 = 2_200.0;
const ROUTE_11: f64 = 19_200.0;
const ROUTE_31: f64 = 49_100.0;

/// One route that has appeared.
struct Row {
    route: usize,
    counter: BlockCounter,
    ln_e: f64,
    has_changed: bool,
}

impl Row {
    fn counts(&self, at: Duration) -> RouteCounts {
        RouteCounts::new(self.route.to_string(), self.counter.tally(at))
    }
}

fn one(bad: Bad, most: u64, random: &mut Rng) -> Found {
    let accept = Accept::excess(0.0).expect("a share");
    let level = Confidence::default().ln_level();
    let cumulative = cumulative();
    let mut rows: Vec<Row> = Vec::new();
    let mut places = [None; ROUTES];
    let mut uncorrected = false;
    for request in 0..most {
        let at = Duration::from_millis(50) * request as u32;
        let route = draw(&cumulative, random);
        let place = *places[route].get_or_insert_with(|| {
            rows.push(Row {
                route,
                counter: BlockCounter::paired(),
                ln_e: 0.0,
                has_changed: false,
            });
            rows.len() - 1
        });
        let noise = NOISE[route % NOISE.len()];
        let extra = bad.map_or(0.0, |(bad, extra)| if bad == route { extra } else { 0.0 });
        let shadow = is(noise, random) || is(extra, random);
        let baseline = is(noise, random);
        let row = &mut rows[place];
        let finding = Finding::of(shadow && !baseline, baseline && !shadow);
        row.counter.record(at, finding);
        row.has_changed = row.has_changed || shadow != baseline;

        // The evidence can grow with a difference of the shadow and at the end of a block.
        let is_end = (request + 1) % BLOCK == 0;
        let now = if is_end {
            at + Duration::from_millis(50)
        } else {
            at
        };
        let is_point = finding == Finding::ShadowOnly;
        if is_point {
            let counts = row.counts(now);
            row.ln_e = RouteEvidence::of(&counts, place, &accept).ln_e_above();
            uncorrected = uncorrected || counts.whole().requests().ln_e_above(0.0) >= level;
        }
        if is_end {
            for (place, row) in rows
                .iter_mut()
                .enumerate()
                .filter(|(_, row)| row.has_changed)
            {
                row.ln_e = RouteEvidence::of(&row.counts(now), place, &accept).ln_e_above();
                row.has_changed = false;
            }
        }
        if !is_end && !is_point {
            continue;
        }
        let ln_e: Vec<f64> = rows.iter().map(|row| row.ln_e).collect();
        if ln_e_any_route(&ln_e) < level {
            continue;
        }
        // The shipped function decides, and gives the reasons.
        let counts: Vec<_> = rows.iter().map(|row| row.counts(now)).collect();
        if let Verdict::Fail(reasons) = judge(&counts, &accept) {
            let named = reasons.first().map(|reason| reason.route.clone());
            return Found {
                fail: Some(request + 1),
                is_wrong: named != bad.map(|(bad, _)| bad.to_string()),
                uncorrected,
            };
        }
    }
    Found {
        fail: None,
        is_wrong: false,
        uncorrected,
    }
}

fn cumulative() -> Vec<f64> {
    let mut sum = 0.0;
    let sums = (1..=ROUTES).map(|k| {
        sum += 1.0 / k as f64;
        sum
    });
    sums.collect()
}

fn draw(cumulative: &[f64], random: &mut Rng) -> usize {
    let point = random.f64() * cumulative[ROUTES - 1];
    cumulative
        .partition_point(|sum| *sum <= point)
        .min(ROUTES - 1)
}
