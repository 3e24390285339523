//! A small part of the `evidence` example, for each run of the tests: the error rate under peeking, and some power.

use std::time::Duration;

use fastrand::Rng;
use tower_mirror::compare::{BlockCounter, Confidence, Finding};

const REQUESTS: u32 = 4_000;
const RUNS: u64 = 100;

/// In how many of 100 runs FAIL appears, with a tolerance of 0. It is looked at after each difference of the shadow and at the end of
/// each block; the evidence cannot grow at any other time.
fn failed(mut differs: impl FnMut(&mut Rng) -> (bool, bool)) -> u64 {
    let level = Confidence::default().ln_level();
    let mut failed = 0;
    for run in 0..RUNS {
        let mut random = Rng::with_seed(run);
        let mut counter = BlockCounter::paired();
        for request in 0..REQUESTS {
            let at = Duration::from_millis(50) * request;
            let (shadow, baseline) = differs(&mut random);
            let finding = Finding::of(shadow && !baseline, baseline && !shadow);
            counter.record(at, finding);
            let is_look = finding == Finding::ShadowOnly || request % 200 == 199;
            let next = at + Duration::from_millis(50);
            if is_look && counter.tally(next).ln_e_above(0.0) >= level {
                failed += 1;
                break;
            }
        }
    }
    failed
}

#[test]
fn a_correct_shadow_hardly_ever_fails() {
    // With a probability of 5 % a run, more than 12 of 100 happens in fewer than 2 of 1000 times.
    for noise in [0.02, 0.5] {
        let failed = failed(|random| (random.f64() < noise, random.f64() < noise));
        assert!(failed <= 12, "noise of {noise}: {failed} of {RUNS}");
    }
}

#[test]
fn a_process_that_is_noisy_for_some_time_does_not_fail() {
    // Each side has bursts of 50 requests by itself, 2 % of the time, in which half of the answers differ.
    let mut bursts = [false, false];
    let failed = failed(|random| {
        let [shadow, baseline] = [0, 1].map(|side| {
            let turns = random.f64() < if bursts[side] { 0.02 } else { 0.000_4 };
            bursts[side] ^= turns;
            bursts[side] && random.bool()
        });
        (shadow, baseline)
    });
    assert!(failed <= 12, "{failed} of {RUNS}");
}

#[test]
fn a_wrong_shadow_fails() {
    let failed = failed(|random| {
        let noise = random.f64() < 0.02;
        (noise || random.f64() < 0.1, random.f64() < 0.02)
    });
    assert_eq!(failed, RUNS);
}
