//! Tallies: what counts as a block, what the cap does, and that replicas add up.

use std::time::Duration;

use proptest::prelude::*;
use tower_mirror::compare::{BlockCounter, Counts, Finding, InvalidCounts, Tally};

fn paired(n: u64, s: u64, f: u64) -> Counts {
    Counts::paired(n, s, f).expect("valid counts")
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_block_counts_for_the_side_that_differed_more_often() {
    let tally = Tally::from_blocks([
        paired(10, 2, 1),
        paired(10, 1, 2),
        paired(10, 1, 1),
        paired(10, 0, 0),
        paired(0, 0, 0),
    ]);
    assert_eq!(tally.requests(), paired(40, 4, 4));
    assert_eq!(tally.blocks(), paired(4, 1, 1));
}

#[test]
fn the_baseline_is_at_most_one_ahead_within_a_block() {
    let capped = |s, f| Tally::from_blocks([paired(100, s, f)]).baseline_capped();
    assert_eq!(capped(0, 0), 0);
    assert_eq!(capped(0, 1), 1);
    assert_eq!(capped(0, 50), 1);
    assert_eq!(capped(5, 50), 6);
    assert_eq!(capped(50, 5), 5);
}

#[test]
fn a_block_counts_only_after_its_end() {
    let mut counter = BlockCounter::paired();
    counter.record(at(0), Finding::ShadowOnly);
    assert_eq!(counter.tally(at(9)).requests(), paired(1, 1, 0));
    assert_eq!(counter.tally(at(9)).blocks(), Counts::ZERO);
    assert_eq!(counter.tally(at(10)).blocks(), paired(1, 1, 0));
    // The side may still change until then.
    counter.record(at(9), Finding::BaselineOnly);
    counter.record(at(9), Finding::BaselineOnly);
    counter.record(at(30), Finding::Equal);
    assert_eq!(counter.tally(at(30)).blocks(), paired(1, 0, 1));
    // The cap counts in the block that goes on, too.
    counter.record(at(31), Finding::BaselineOnly);
    counter.record(at(32), Finding::BaselineOnly);
    assert_eq!(counter.tally(at(33)).requests(), paired(6, 1, 4));
    assert_eq!(counter.tally(at(33)).baseline_capped(), 2 + 1);
}

#[test]
fn fail_needs_both_coins() {
    // 60 requests of one block: one coin says yes, and the other was tossed once.
    let one = Tally::from_blocks([paired(1_000, 60, 0)]);
    assert!(one.requests().ln_e_above(0.0) > 30.0);
    assert!(one.ln_e_above(0.0) < 1.0);
    // The same requests in six blocks.
    let six = Tally::from_blocks([paired(1_000, 10, 0); 6]);
    assert_eq!(format!("{:.9}", six.ln_e_above(0.0)), "3.502089246");
    // Many blocks do not replace the evidence of the requests.
    let noisy = Tally::from_blocks([paired(1_000, 101, 100); 60]);
    assert!(noisy.blocks().ln_e_above(0.0) > 30.0);
    assert!(noisy.ln_e_above(0.0) < 0.0);
}

#[test]
fn without_a_baseline_there_is_no_coin_of_blocks() {
    let mut counter = BlockCounter::alone();
    for second in 0..9 {
        counter.record(at(second), Finding::ShadowOnly);
    }
    // A finding that is not possible without a baseline is not counted for it.
    counter.record(at(9), Finding::BaselineOnly);
    let tally = counter.tally(at(9));
    assert_eq!(tally.requests(), Counts::alone(10, 9).expect("valid"));
    assert_eq!(tally.ln_e_above(0.01), tally.requests().ln_e_above(0.01));
    assert!(tally.ln_e_above(0.01) > 3.0);
}

#[test]
fn parts_that_do_not_fit_are_refused_by_name() {
    let errors = [
        Counts::paired(10, 6, 5).map(drop),
        Counts::paired(u64::MAX, u64::MAX, 1).map(drop),
        Counts::alone(10, 11).map(drop),
        Tally::new(paired(10, 1, 2), Counts::ZERO, 3).map(drop),
        Tally::new(paired(10, 1, 2), paired(11, 0, 0), 2).map(drop),
    ];
    let texts = errors.map(|error| error.expect_err("it does not fit").to_string());
    assert_eq!(
        texts[0],
        "the counts of the shadow (6) and of the baseline (5) must not add up to more than all compared (10)"
    );
    assert!(texts[3].contains("(3)") && texts[3].contains("(2)"));
    assert!(texts[4].contains("(11)") && texts[4].contains("(10)"));
    let parts = Tally::new(paired(10, 1, 2), paired(3, 1, 1), 2);
    assert_eq!(parts.map(|tally| tally.baseline_capped()), Ok(2));
    assert!(matches!(
        Counts::alone(1, 2),
        Err(InvalidCounts::Parts { compared: 1, .. })
    ));
}

fn any_counts() -> impl Strategy<Value = Counts> {
    let part = || prop_oneof![Just(0), 0..20u64, 0..1_000_000u64, Just(u64::MAX / 4)];
    (part(), part(), part()).prop_map(|(rest, s, f)| paired(rest + s + f, s, f))
}

fn any_blocks() -> impl Strategy<Value = Vec<Counts>> {
    prop::collection::vec((0..50u64, 0..5u64, 0..5u64), 0..30).prop_map(|blocks| {
        let block = |(rest, s, f)| paired(rest + s + f, s, f);
        blocks.into_iter().map(block).collect()
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever the counts and the tolerance, the result is a number, and one more difference never lowers the evidence.
    #[test]
    fn evidence_is_a_number_and_grows_with_differences(counts in any_counts(), d in prop_oneof![0.0..1.0, any::<f64>()]) {
        let (above, below) = (counts.ln_e_above(d), counts.ln_e_below(d));
        prop_assert!(!above.is_nan() && !below.is_nan(), "{} {}", above, below);
        let (n, s, f) = (counts.compared() + 1, counts.shadow_only(), counts.baseline_only());
        let least = -1e-9 * (1.0 + above.abs());
        prop_assert!(paired(n, s + 1, f).ln_e_above(d) - paired(n, s, f).ln_e_above(d) >= least);
        prop_assert!(paired(n, s, f).ln_e_above(d) - paired(n, s, f + 1).ln_e_above(d) >= least);
    }

    /// The interval contains the measured excess, and its ends are in order.
    #[test]
    fn an_interval_contains_what_was_measured(n in 0..100_000u64, s in 0.0..1.0, f in 0.0..1.0, confidence in 0.5..0.999) {
        let s = (n as f64 * s) as u64;
        let f = ((n - s) as f64 * f) as u64;
        let confidence = tower_mirror::compare::Confidence::new(confidence).expect("valid");
        let interval = paired(n, s, f).interval(confidence);
        prop_assert!(-1.0 <= interval.low() && interval.high() <= 1.0);
        prop_assert!(interval.low() <= interval.excess() && interval.excess() <= interval.high(), "{:?}", interval);
    }

    /// `missing` is the least number: with it PASS is reached, and with one fewer it is not.
    #[test]
    fn missing_is_exact_without_differences(n in 0..5_000u64, d in 0.001..0.5) {
        let confidence = tower_mirror::compare::Confidence::default();
        let missing = paired(n, 0, 0).missing(d, confidence).expect("it passes some time");
        let reaches = |n| paired(n, 0, 0).ln_e_below(d) >= confidence.ln_level();
        prop_assert!(reaches(n + missing));
        prop_assert!(missing == 0 || !reaches(n + missing - 1));
    }

    /// One counter over time counts what the blocks count, in any order within a block.
    #[test]
    fn a_counter_counts_what_blocks_count(blocks in any_blocks(), turn in 0..100usize) {
        let mut counter = BlockCounter::paired();
        for (number, block) in (0..).zip(&blocks) {
            let (s, f) = (block.shadow_only(), block.baseline_only());
            let mut findings = vec![Finding::ShadowOnly; s as usize];
            findings.extend(vec![Finding::BaselineOnly; f as usize]);
            findings.resize(block.compared() as usize, Finding::Both);
            let len = findings.len().max(1);
            let turn = (turn % len).min(findings.len());
            findings.rotate_left(turn);
            for finding in findings {
                counter.record(at(10 * number + 3), finding);
            }
        }
        let end = at(10 * blocks.len() as u64);
        prop_assert_eq!(counter.tally(end), Tally::from_blocks(blocks));
    }

    /// The requests of two replicas add up, whatever went to which.
    #[test]
    fn the_order_of_blocks_does_not_matter(mut blocks in any_blocks()) {
        let forward = Tally::from_blocks(blocks.clone());
        blocks.reverse();
        prop_assert_eq!(forward, Tally::from_blocks(blocks));
    }
}
