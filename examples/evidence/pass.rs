//! PASS: how many requests it takes, and how often it is wrong at the edge of what is tolerated.

use fastrand::Rng;
use tower_mirror::compare::{Confidence, Counts, Finding};

use crate::{
    check::{Expected, Table},
    noise::{Noise, Pairs},
    parallel::Runs,
    rules::{BLOCK, Seen},
};

const RUNS: usize = 400;

pub(crate) fn rows(table: &mut Table, runs: &Runs) {
    requests(table, runs);
    wrong(table, runs);
}

fn requests(table: &mut Table, runs: &Runs) {
    table.heading(&format!(
        "PASS: the shadow is right. Requests until PASS, looked at in steps of 0.5 %. {RUNS} runs; median (90 of 100)."
    ));
    for (name, tolerated, exactly) in [
        ("no noise, tolerated 0.1 %: every look", 0.001, 3_644),
        ("no noise, tolerated 1 %: every look", 0.01, 363),
        ("no noise, tolerated 5 %: every look", 0.05, 72),
    ] {
        let first = (1..10_000).find(|n| {
            let clean = Counts::paired(*n, 0, 0).unwrap_or_default();
            clean.ln_e_below(tolerated) >= Confidence::default().ln_level()
        });
        table.exact(name, exactly, first);
    }
    for (name, noise, tolerated, median) in [
        ("noise 0.1 %, tolerated 0.1 %", 0.001, 0.001, PASS_1),
        ("noise 0.1 %, tolerated 1 %", 0.001, 0.01, PASS_2),
        ("noise 2 %, tolerated 1 %", 0.02, 0.01, PASS_3),
        ("noise 2 %, tolerated 5 %", 0.02, 0.05, PASS_4),
    ] {
        let noise = Noise::Constant(noise);
        let all = runs.of(name, RUNS, |random| until_pass(noise, tolerated, random));
        table.median(name, &Expected::Median(median, 2_000), &all);
    }
}

// From a simulation in Python of 2 000 runs.
const PASS_1: f64 = 23_929.0;
const PASS_2: f64 = 363.0;
const PASS_3: f64 = 8_885.0;
const PASS_4: f64 = 273.0;

fn until_pass(noise: Noise, tolerated: f64, random: &mut Rng) -> Option<u64> {
    let mut pairs = Pairs::new(noise, 0.0);
    let mut seen = Seen::new();
    let mut next = 1;
    while seen.compared < 1_000_000 {
        seen.add(pairs.next(random));
        if seen.compared == next {
            if passes(&seen, tolerated) {
                return Some(next);
            }
            next += (next / 200).max(1);
        }
    }
    None
}

fn passes(seen: &Seen, tolerated: f64) -> bool {
    seen.tally().ln_e_below(tolerated) >= Confidence::default().ln_level()
}

/// The shadow is worse by exactly what is tolerated, so PASS is wrong, and so is FAIL.
fn wrong(table: &mut Table, runs: &Runs) {
    table.heading(
        "At the edge: the shadow is worse by exactly what is tolerated. PASS at any look is false.",
    );
    let cases = [
        (
            "no noise, 0.1 %, 12 000 requests",
            Noise::Constant(0.0),
            0.001,
            12_000,
            2_000,
        ),
        (
            "noise 2 %, 1 %, 30 000 requests",
            Noise::Constant(0.02),
            0.01,
            30_000,
            400,
        ),
        (
            "bursts of one process, 1 %, 60 000 requests",
            Noise::BurstsOfOne,
            0.01,
            60_000,
            400,
        ),
        (
            "bursts of one process, 0.1 %, 60 000 requests",
            Noise::BurstsOfOne,
            0.001,
            60_000,
            400,
        ),
    ];
    for (name, noise, tolerated, requests, times) in cases {
        // The shadow's own errors are hidden where its noise or the baseline's is.
        let mean = match noise {
            Noise::Constant(share) => share,
            _ => 0.01,
        };
        let extra = tolerated / (1.0 - mean);
        let all = runs.of(name, times, |random| {
            ever_passes(Pairs::new(noise, extra), tolerated, requests, random)
        });
        let shares = |of: fn(&(bool, bool)) -> bool| all.iter().map(of).collect::<Vec<_>>();
        table.share(
            name,
            &Expected::AtMost(0.05),
            &shares(|(capped, _)| *capped),
        );
        if matches!(noise, Noise::BurstsOfOne) {
            // The reason for the cap.
            let name = "    without the cap of the baseline";
            let expected = Expected::AtLeast(0.5);
            table.share(name, &expected, &shares(|(_, uncapped)| *uncapped));
        }
    }
}

/// Whether PASS ever appears, with the cap and without it.
fn ever_passes(mut pairs: Pairs, tolerated: f64, requests: u64, random: &mut Rng) -> (bool, bool) {
    let mut seen = Seen::new();
    let level = Confidence::default().ln_level();
    let (mut capped, mut uncapped) = (false, false);
    while seen.compared < requests && !(capped && uncapped) {
        let before = seen.tally();
        let finding = seen.add(pairs.next(random));
        // The evidence falls with a difference of the shadow only, so it is largest before one. The cap opens with one, and
        // closes at the end of a block.
        let is_last = seen.compared == requests;
        let is_peak = finding == Finding::ShadowOnly || seen.compared % BLOCK == 0 || is_last;
        if is_peak {
            for tally in [before, seen.tally()] {
                capped = capped || tally.ln_e_below(tolerated) >= level;
                uncapped = uncapped || tally.requests().ln_e_below(tolerated) >= level;
            }
        }
    }
    (capped, uncapped)
}
