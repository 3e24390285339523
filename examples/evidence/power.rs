//! Power: how many requests it takes until FAIL when the shadow has an error of its own.

use fastrand::Rng;

use crate::{
    check::{Expected, Table},
    noise::{Noise, Pairs},
    parallel::Runs,
    rules::{BLOCK, ByRequests, Fail, Seen},
};

struct Case {
    name: &'static str,
    noise: f64,
    extra: f64,
    /// The coin of the requests only, and both coins.
    by_requests: Expected,
    fail: Expected,
    diffy: Expected,
    runs: usize,
    most: u64,
}

struct Found {
    by_requests: Option<u64>,
    fail: Option<u64>,
    /// After 100 000 requests.
    diffy: bool,
    /// At the n for which this test has a power of 80 %.
    fixed: bool,
}

pub(crate) fn rows(table: &mut Table, runs: &Runs) {
    for case in cases() {
        let fixed = fixed_n(case.noise, case.extra);
        table.heading(&format!(
            "Power: the shadow has an error in {}. {} runs; median (90 of 100).",
            case.name, case.runs
        ));
        let found = runs.of(case.name, case.runs, |random| one(&case, fixed, random));
        let numbers = |of: fn(&Found) -> Option<u64>| found.iter().map(of).collect::<Vec<_>>();
        let shares = |of: fn(&Found) -> bool| found.iter().map(of).collect::<Vec<_>>();
        table.median("requests until FAIL", &case.fail, &numbers(|f| f.fail));
        let name = "requests until the coin of requests only";
        table.median(name, &case.by_requests, &numbers(|f| f.by_requests));
        let name = format!("fixed n = {fixed}: one look fails");
        table.share(&name, &Expected::AtLeast(0.8), &shares(|f| f.fixed));
        let name = "Diffy's rule shows it after 100 000 requests";
        table.share(name, &case.diffy, &shares(|f| f.diffy));
    }
}

/// The number of requests for a one-sided test at 5 % with a power of 80 %.
fn fixed_n(noise: f64, extra: f64) -> u64 {
    let shadow = noise + (1.0 - noise) * extra;
    let (s, f) = (shadow * (1.0 - noise), noise * (1.0 - shadow));
    let deviations: f64 = 1.644_853_6 + 0.841_621_2;
    (deviations.powi(2) * (s + f) / (s - f).powi(2)).round() as u64
}

/// Without noise only the shadow differs: six differences in six blocks are needed, so the median is exact. The medians of the
/// rest come from a simulation in Python, with as many runs as are given here.
fn cases() -> Vec<Case> {
    let case = |name, noise, extra, by_requests, fail, diffy| Case {
        name,
        noise,
        extra,
        by_requests,
        fail,
        diffy,
        runs: 200,
        most: 1_000_000,
    };
    let exact = |extra: f64| {
        let block = 1.0 - (1.0 - extra).powi(BLOCK as i32);
        let (requests, blocks) = (median_of_six(extra), median_of_six(block) * BLOCK as f64);
        (
            Expected::ExactMedian(requests),
            Expected::ExactMedian(blocks),
        )
    };
    let python = |requests, fail, runs| {
        let both = Expected::Median(fail, 1_000);
        (Expected::Median(requests, runs), both)
    };
    let all = || Expected::AtLeast(0.99);
    let none = || Expected::AtMost(0.01);
    let mut cases = Vec::new();
    for (name, extra) in [
        ("0.1 % of the requests. No noise", 0.001),
        ("1 % of the requests. No noise", 0.01),
        ("10 % of the requests. No noise", 0.1),
    ] {
        let (requests, fail) = exact(extra);
        cases.push(case(name, 0.0, extra, requests, fail, all()));
    }
    for (name, noise, extra, (requests, fail), diffy) in [
        (
            "0.1 % of the requests. Noise: 0.1 %",
            0.001,
            0.001,
            python(28_099.0, 33_800.0, 2_000),
            all(),
        ),
        (
            "1 % of the requests. Noise: 0.1 %",
            0.001,
            0.01,
            python(739.0, 1_600.0, 2_000),
            all(),
        ),
        (
            "10 % of the requests. Noise: 0.1 %",
            0.001,
            0.1,
            python(58.0, 1_200.0, 2_000),
            all(),
        ),
        (
            "0.1 % of the requests. Noise: 2 %",
            0.02,
            0.001,
            python(367_122.0, 599_500.0, 500),
            none(),
        ),
        (
            "1 % of the requests. Noise: 2 %",
            0.02,
            0.01,
            python(4_549.0, 8_400.0, 2_000),
            Expected::AtMost(0.5),
        ),
        (
            "10 % of the requests. Noise: 2 %",
            0.02,
            0.1,
            python(132.0, 1_200.0, 2_000),
            all(),
        ),
        (
            "1 % of the requests. Noise: 50 %",
            0.5,
            0.01,
            python(194_989.0, 309_900.0, 300),
            none(),
        ),
        (
            "10 % of the requests. Noise: 50 %",
            0.5,
            0.1,
            python(1_833.0, 4_600.0, 1_000),
            none(),
        ),
    ] {
        cases.push(case(name, noise, extra, requests, fail, diffy));
    }
    cases
}

/// The median of the number of trials until six have succeeded.
fn median_of_six(p: f64) -> f64 {
    // The probabilities of 0 to 5 successes so far.
    let mut fewer = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let mut trials = 0.0;
    while fewer.iter().sum::<f64>() > 0.5 {
        for count in (0..fewer.len()).rev() {
            let from_below = if count == 0 {
                0.0
            } else {
                fewer[count - 1] * p
            };
            fewer[count] = fewer[count] * (1.0 - p) + from_below;
        }
        trials += 1.0;
    }
    trials
}

fn one(case: &Case, fixed: u64, random: &mut Rng) -> Found {
    let mut pairs = Pairs::new(Noise::Constant(case.noise), case.extra);
    let mut seen = Seen::new();
    let (mut fail, mut by_requests) = (Fail::new(0.0), ByRequests::new(0.0));
    let mut found = Found {
        by_requests: None,
        fail: None,
        diffy: false,
        fixed: false,
    };
    // Some runs need longer than the last one that is interesting.
    let most = case.most.max(4 * fixed);
    while seen.compared < most {
        let finding = seen.add(pairs.next(random));
        if found.fail.is_none() && fail.look(&seen, finding) {
            found.fail = Some(seen.compared);
        }
        if found.by_requests.is_none() && by_requests.look(&seen, finding) {
            found.by_requests = Some(seen.compared);
        }
        if seen.compared == 100_000 {
            found.diffy = seen.is_shown_by_diffy();
        }
        if seen.compared == fixed {
            found.fixed = seen.is_significant();
        }
        let is_over = found.fail.is_some() && found.by_requests.is_some();
        if is_over && seen.compared >= fixed.max(100_000) {
            break;
        }
    }
    found
}
