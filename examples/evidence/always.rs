//! A/A: the shadow is as right as the baseline, and each FAIL is false.

use fastrand::Rng;

use crate::{
    check::{Expected, Table},
    noise::{Noise, Pairs},
    parallel::Runs,
    rules::{ByRequests, Fail, Seen},
};

/// Whether each rule ever called the shadow wrong.
#[derive(Default)]
struct Alarms {
    strict: bool,
    tolerant: bool,
    requests: bool,
    significant: bool,
    significant_once: bool,
    diffy: bool,
}

struct Case {
    name: &'static str,
    noise: Noise,
    requests: u64,
    /// What a test with a fixed n does when it is looked at all the time, and Diffy's rule. `None`: only shown.
    significant: Option<Expected>,
    diffy: Option<Expected>,
    /// The coin of the requests only.
    by_requests: Expected,
}

const RUNS: usize = 1_000;
const BOUND: Expected = Expected::AtMost(0.05);

pub(crate) fn rows(table: &mut Table, runs: &Runs) {
    for case in cases() {
        table.heading(&format!(
            "A/A: the shadow is right. Noise: {}. {} requests, {RUNS} runs.",
            case.name, case.requests
        ));
        let alarms = runs.of(case.name, RUNS, |random| one(&case, random));
        let share = |of: fn(&Alarms) -> bool| alarms.iter().map(of).collect::<Vec<bool>>();
        let mut row = |name, expected: &Expected, happened: Vec<bool>| {
            table.share(name, expected, &happened);
        };
        row("FAIL at any look, tolerated 0", &BOUND, share(|a| a.strict));
        row(
            "FAIL at any look, tolerated 0.1 %",
            &BOUND,
            share(|a| a.tolerant),
        );
        row(
            "the coin of requests only, every look",
            &case.by_requests,
            share(|a| a.requests),
        );
        if let Some(expected) = &case.significant {
            row(
                "fixed n: one look at the end",
                &BOUND,
                share(|a| a.significant_once),
            );
            row(
                "fixed n, but every look",
                expected,
                share(|a| a.significant),
            );
        }
        if let Some(expected) = &case.diffy {
            row(
                "Diffy's rule, every look from 100 on",
                expected,
                share(|a| a.diffy),
            );
        }
    }
}

/// The values of `Share` come from a simulation in Python with so many runs.
fn cases() -> Vec<Case> {
    let case = |name, noise| Case {
        name,
        noise,
        requests: 100_000,
        significant: None,
        diffy: None,
        by_requests: BOUND,
    };
    vec![
        Case {
            significant: Some(Expected::AtMost(0.0)),
            diffy: Some(Expected::AtMost(0.0)),
            ..case("none", Noise::Constant(0.0))
        },
        Case {
            significant: Some(Expected::Share(0.346, 4_000)),
            diffy: Some(Expected::Share(0.713, 4_000)),
            ..case("0.1 %", Noise::Constant(0.001))
        },
        Case {
            significant: Some(Expected::Share(0.496, 2_000)),
            diffy: Some(Expected::Share(0.583, 2_000)),
            ..case("2 %", Noise::Constant(0.02))
        },
        Case {
            significant: Some(Expected::Share(0.55, 400)),
            diffy: Some(BOUND),
            ..case("50 %", Noise::Constant(0.5))
        },
        Case {
            diffy: Some(Expected::AtLeast(0.5)),
            ..case("0 to 10 % over the day", Noise::Day(0.1))
        },
        Case {
            diffy: Some(Expected::AtLeast(0.5)),
            ..case("0 and 5 % in turns", Noise::Turns(0.05))
        },
        Case {
            diffy: Some(Expected::AtLeast(0.4)),
            ..case("bursts of both processes", Noise::BurstsOfBoth)
        },
        Case {
            requests: 60_000,
            diffy: Some(Expected::AtLeast(0.5)),
            // The reason for the blocks.
            by_requests: Expected::Share(0.795, 200),
            ..case("bursts of one process", Noise::BurstsOfOne)
        },
        Case {
            diffy: Some(Expected::AtLeast(0.5)),
            ..case("drift from 0 to 5 %", Noise::Grows(0.05, 100_000))
        },
    ]
}

fn one(case: &Case, random: &mut Rng) -> Alarms {
    let mut pairs = Pairs::new(case.noise, 0.0);
    let mut seen = Seen::new();
    let (mut strict, mut tolerant) = (Fail::new(0.0), Fail::new(0.001));
    let mut by_requests = ByRequests::new(0.0);
    let mut alarms = Alarms::default();
    for _ in 0..case.requests {
        let pair = pairs.next(random);
        let finding = seen.add(pair);
        alarms.strict = alarms.strict || strict.look(&seen, finding);
        alarms.tolerant = alarms.tolerant || tolerant.look(&seen, finding);
        alarms.requests = alarms.requests || by_requests.look(&seen, finding);
        // Both of these can begin to say so only with a difference of the shadow, or at the first look.
        if pair.shadow || seen.compared == 100 {
            alarms.significant = alarms.significant || seen.is_significant();
            let is_early = seen.compared < 100;
            alarms.diffy = alarms.diffy || (!is_early && seen.is_shown_by_diffy());
        }
    }
    alarms.significant_once = seen.is_significant();
    alarms
}
