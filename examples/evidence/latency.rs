//! Latency: the shadow is slower by a factor, and 1.25 is tolerated.

use std::time::Duration;

use fastrand::Rng;
use tower_mirror::compare::{
    Accept, Counts, LatencyHistogram, LatencyTest, Quantile, RouteCounts, RouteEvidence, Tally,
};

use crate::{
    check::{Expected, Table},
    noise::{Pair, is},
    parallel::Runs,
    rules::{Fail, Seen},
};

const RUNS: usize = 150;
const REQUESTS: u64 = 50_000;
const RATIO: f64 = 1.25;

#[derive(Clone, Copy, Debug)]
enum Load {
    Steady,
    /// Up to 1.8 times slower over a day of 20 000 requests, and spikes of 50 requests that take 4 times as long.
    Day,
}

#[derive(Default)]
struct Found {
    fails: bool,
    passes: bool,
    naive: bool,
}

pub(crate) fn rows(table: &mut Table, runs: &Runs) {
    for (quantile, load) in [
        (Quantile::P99, Load::Steady),
        (Quantile::P99, Load::Day),
        (Quantile::P50, Load::Day),
    ] {
        table.heading(&format!(
            "Latency: the shadow's {quantile} may be {RATIO} times the baseline's. Load: {load:?}. {REQUESTS} requests, {RUNS} runs."
        ));
        for factor in [1.0, 1.25, 1.5, 2.0] {
            let is_worse = factor > RATIO;
            let rare = Expected::AtMost(0.05);
            // The usual demand on the power of a test.
            let often = Expected::AtLeast(0.8);
            let name = format!("{quantile} {load:?} {factor}");
            let all = runs.of(&name, RUNS, |random| one(quantile, load, factor, random));
            let share = |of: fn(&Found) -> bool| all.iter().map(of).collect::<Vec<_>>();
            let (fail, pass) = if is_worse {
                (&often, &rare)
            } else {
                (&rare, &often)
            };
            let name = format!("{factor} times slower: FAIL at any look");
            table.share(&name, fail, &share(|found| found.fails));
            let name = format!("{factor} times slower: PASS at any look");
            table.share(&name, pass, &share(|found| found.passes));
            if factor == RATIO {
                let name = "    the ratio of both quantiles is above 1.25, every 100";
                table.share(name, &Expected::AtLeast(0.5), &share(|found| found.naive));
            }
        }
    }
}

fn one(quantile: Quantile, load: Load, factor: f64, random: &mut Rng) -> Found {
    let accept = Accept::default().latency(quantile, RATIO).expect("a limit");
    let limit = accept.latency_limit().expect("it was set");
    // All else is equal and proven, so that the latency decides.
    let same = Tally::from_blocks([Counts::paired(100_000, 0, 0).expect("counts")]);
    let mut test = LatencyTest::new(limit);
    let mut seen = Seen::new();
    let mut fail = Fail::new(limit.tolerated());
    let mut both = [LatencyHistogram::new(), LatencyHistogram::new()];
    let mut found = Found::default();
    let mut is_spike = false;
    for request in 0..REQUESTS {
        is_spike = is(if is_spike { 0.98 } else { 0.000_4 }, random);
        let slower = match load {
            Load::Steady => 1.0,
            Load::Day => {
                let angle = std::f64::consts::TAU * request as f64 / 20_000.0;
                (1.4 - 0.4 * angle.cos()) * if is_spike { 4.0 } else { 1.0 }
            }
        };
        let [shadow, baseline] = [factor, 1.0].map(|factor| latency(slower * factor, random));
        both[0].record(shadow);
        both[1].record(baseline);
        if let Some(finding) = test.record(shadow, baseline) {
            use tower_mirror::compare::Finding::{BaselineOnly, ShadowOnly};
            let finding = seen.add(Pair {
                shadow: finding == ShadowOnly,
                baseline: finding == BaselineOnly,
            });
            found.fails = found.fails || fail.look(&seen, finding);
            let passes = || {
                let row =
                    RouteCounts::new("a", same).latency(seen.tally(), test.slow_in_baseline());
                RouteEvidence::of(&row, 0, &accept).is_pass()
            };
            found.passes = found.passes || (request % 20 == 0 && passes());
        }
        if request % 100 == 99 && request > 500 && !found.naive {
            let [shadow, baseline] = both.each_ref().map(|all| all.quantile(quantile));
            let ratio = shadow
                .zip(baseline)
                .map(|(s, b)| s.as_secs_f64() / b.as_secs_f64());
            found.naive = ratio.is_some_and(|ratio| ratio > RATIO);
        }
    }
    found
}

/// Log-normal with a median of 10 ms, by Box and Muller.
fn latency(factor: f64, random: &mut Rng) -> Duration {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * random.f64()).cos();
    Duration::from_secs_f64(0.01 * factor * (0.5 * normal).exp())
}
