//! Verdicts: PASS, FAIL and what is neither, over routes, paths and latency.

use std::time::Duration;

use tower_mirror::compare::{
    Accept, Confidence, Counts, Finding, InvalidAccept, LatencyHistogram, LatencyLimit,
    LatencyTest, Quantile, Reason, RouteCounts, RouteEvidence, Tally, Verdict, VerdictLatch, Why,
    judge, ln_e_any_path, path_weight, route_weight,
};

fn tally(blocks: usize, n: u64, s: u64, f: u64) -> Tally {
    let block = Counts::paired(n, s, f).expect("valid counts");
    Tally::from_blocks(vec![block; blocks])
}

fn row(route: &str, blocks: usize, n: u64, s: u64, f: u64) -> RouteCounts {
    RouteCounts::new(route, tally(blocks, n, s, f))
}

fn reasons(verdict: Verdict) -> Vec<Reason> {
    match verdict {
        Verdict::Fail(reasons) => reasons,
        other => panic!("{other}"),
    }
}

fn inconclusive(verdict: Verdict) -> (Option<u64>, Why) {
    match verdict {
        Verdict::Inconclusive { missing, why, .. } => (missing, why),
        other => panic!("{other}"),
    }
}

#[test]
fn no_data_is_never_pass() {
    let accept = Accept::default();
    for rows in [vec![], vec![row("a", 0, 0, 0, 0), row("b", 0, 0, 0, 0)]] {
        assert_eq!(
            inconclusive(judge(&rows, &accept)),
            (Some(3_644), Why::NoData)
        );
    }
    // A route without data beside one that passes.
    let rows = [row("a", 10, 1_000, 0, 0), row("b", 0, 0, 0, 0)];
    let (missing, why) = inconclusive(judge(&rows, &accept));
    assert_eq!(missing, Some(3_644));
    assert!(matches!(why, Why::NotEnough { route, .. } if route == "b"));
}

#[test]
fn fail_of_one_route_needs_eight_blocks() {
    // In each block all requests differ, so the blocks decide.
    let fails = |blocks| {
        let bad = row("a", blocks, 1_000, 1_000, 0);
        let named = bad
            .clone()
            .path("/price", "value", tally(blocks, 1_000, 1_000, 0));
        [bad, named].map(|row| judge(&[row], &Accept::default()).is_fail())
    };
    assert_eq!((fails(7), fails(8)), ([false; 2], [false, true]));
    assert_eq!(fails(9), [true; 2]);
}

#[test]
fn pass_needs_each_route() {
    let accept = Accept::default();
    let good = row("a", 10, 1_000, 0, 0);
    assert_eq!(judge(std::slice::from_ref(&good), &accept), Verdict::Pass);
    let slow = row("b", 1, 961, 0, 0);
    let verdict = judge(&[good.clone(), slow], &accept);
    assert_eq!(
        verdict.to_string(),
        "INCONCLUSIVE: the evidence on b is not sufficient; 2683 more requests are needed"
    );
    // With a tolerance of 0 an equal shadow never passes.
    let none = Accept::excess(0.0).expect("valid");
    assert_eq!(inconclusive(judge(&[good], &none)).0, None);
}

#[test]
fn requests_in_which_nothing_was_judged_do_not_count_for_pass() {
    let accept = Accept::default();
    let blind = row("a", 10, 1_000, 0, 0).not_judged(10_000);
    let (missing, why) = inconclusive(judge(&[blind], &accept));
    assert_eq!(missing, None);
    assert_eq!(
        why.to_string(),
        "nothing is left to judge in the bodies of a"
    );
    // Half is judged: 961 of 1922, so twice as many requests are missing.
    let half = row("a", 1, 1_922, 0, 0).not_judged(961);
    assert_eq!(inconclusive(judge(&[half], &accept)).0, Some(2 * 2_683));
    // More than all is read as all.
    let wrong = row("a", 10, 1_000, 0, 0).not_judged(u64::MAX);
    assert!(!judge(&[wrong], &accept).is_pass());
    // Nothing of a body could be judged, but the status differs: this fails.
    let status = row("a", 20, 100, 5, 0).not_judged(2_000);
    assert!(judge(&[status], &accept).is_fail());
}

#[test]
fn one_bad_route_among_many_is_named() {
    let mut rows: Vec<_> = (0..50)
        .map(|n| row(&format!("route {n}"), 10, 500, 1, 1))
        .collect();
    rows[31] = row("bad", 30, 100, 3, 0);
    let reasons = reasons(judge(&rows, &Accept::default()));
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].route, "bad");
    assert_eq!(reasons[0].path, None);
    assert!(reasons[0].is_proven);
    assert_eq!(
        reasons[0].counts,
        Counts::paired(3_000, 90, 0).expect("valid")
    );
}

#[test]
fn little_evidence_on_many_routes_is_a_suspicion() {
    // Seven blocks: no route is proven by itself, but three together are.
    let rows = [
        row("a", 8, 500, 3, 0),
        row("b", 8, 500, 3, 0),
        row("c", 8, 500, 3, 0),
    ];
    let one = RouteEvidence::of(&rows[0], 0, &Accept::default());
    assert!(!one.is_fail());
    let reasons = reasons(judge(&rows, &Accept::default()));
    assert!(reasons.len() >= 2, "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.is_proven));
    assert!(reasons[0].to_string().ends_with("(suspected)"));
}

#[test]
fn a_masked_path_can_fail_by_its_own_coin() {
    // The whole answers are equal, since the path is masked there.
    let whole = tally(40, 200, 0, 0);
    let path = tally(40, 200, 30, 5);
    let rows = [RouteCounts::new("a", whole)
        .path("/other", "value", tally(40, 200, 1, 1))
        .path("/etag", "value", path)];
    let reasons = reasons(judge(&rows, &Accept::default()));
    assert_eq!(reasons.len(), 1);
    assert_eq!(
        reasons[0].to_string(),
        "a /etag value differs only in the shadow in 1200 and only in the baseline in 200 of 8000 requests"
    );
}

#[test]
fn the_weights_of_routes_and_paths_are_a_distribution() {
    for weight in [route_weight, path_weight] {
        let sum: f64 = (0..1_000_000).map(weight).sum();
        assert!((1.0 - 1e-6..1.0).contains(&sum), "{sum}");
    }
    // What is not staked stays: without evidence the average is 1.
    assert!(ln_e_any_path(&[0.0; 500]).abs() < 1e-12);
    let one = ln_e_any_path(&[10.0]);
    let expected = (path_weight(0) * 10f64.exp() + 1.0 - path_weight(0)).ln();
    assert!((one - expected).abs() < 1e-12);
}

#[test]
fn latency_fails_and_passes_by_its_own_tolerance() {
    let accept = Accept::default()
        .latency(Quantile::P99, 1.25)
        .expect("valid");
    let whole = tally(60, 200, 0, 0);
    let judged = |slow: Tally| {
        let row = RouteCounts::new("a", whole).latency(slow, 120);
        judge(&[row], &accept)
    };
    let reasons = reasons(judged(tally(60, 200, 12, 2)));
    assert!(
        reasons[0]
            .to_string()
            .starts_with("a :slow p99 is slow only in the shadow in 720 ")
    );
    assert_eq!(judged(tally(60, 200, 0, 1)), Verdict::Pass);
    // Equal, but not yet proven.
    let (missing, why) = inconclusive(judged(tally(1, 200, 1, 1)));
    assert!(missing.is_some_and(|missing| missing > 0));
    assert!(matches!(why, Why::NotEnough { .. }));
    // The baseline was hardly ever slow: the limit lies too high to show anything.
    let calm = |slow_in_baseline| {
        let row = RouteCounts::new("a", whole).latency(tally(60, 200, 0, 0), slow_in_baseline);
        judge(&[row], &accept)
    };
    assert_eq!(inconclusive(calm(0)).0, None);
    // 736 requests are needed at a tolerance of 0.5 %; each slow one of the baseline accounts for 200.
    let (missing, _) = inconclusive(calm(3));
    assert!(missing.is_some_and(|missing| missing > 0));
    assert_eq!(calm(4), Verdict::Pass);
    // It is to be judged and was not measured.
    let (missing, why) = inconclusive(judge(&[RouteCounts::new("a", whole)], &accept));
    assert_eq!(missing, None);
    assert_eq!(why.to_string(), "the latency of a was not measured");
}

#[test]
fn fail_is_kept_until_reset_and_pass_is_not() {
    let accept = Accept::default();
    let (bad, good, early) = (
        [row("a", 20, 100, 5, 0)],
        [row("a", 10, 1_000, 0, 0)],
        [row("a", 1, 10, 0, 0)],
    );
    let mut latch = VerdictLatch::new();
    assert!(latch.look(&good, &accept).is_pass());
    assert!(!latch.look(&early, &accept).is_pass());
    let first = latch.look(&bad, &accept);
    assert!(first.is_fail());
    assert_eq!(latch.look(&good, &accept), first);
    latch.reset();
    assert!(latch.look(&good, &accept).is_pass());
}

#[test]
fn without_a_baseline_every_difference_is_one_of_the_shadow() {
    let alone = |n, s| Tally::from_blocks([Counts::alone(n, s).expect("valid")]);
    let judged = |n, s, d| {
        let accept = Accept::excess(d).expect("valid");
        judge(&[RouteCounts::new("a", alone(n, s))], &accept)
    };
    assert!(judged(5_000, 20, 0.001).is_fail());
    assert!(judged(5_000, 20, 0.01).is_pass());
    assert!(judged(5_000, 0, 0.001).is_pass());
    // Nothing is tolerated: one difference decides.
    assert!(judged(5_000, 1, 0.0).is_fail());
    assert!(!judged(5_000, 0, 0.0).is_fail());
}

#[test]
fn what_cannot_be_accepted_is_refused_with_its_rule() {
    type Make = fn(f64) -> Result<(), InvalidAccept>;
    let excess: Make = |x| Accept::excess(x).map(drop);
    let confidence: Make = |x| Accept::default().confidence(x).map(drop);
    let ratio: Make = |x| Accept::default().latency(Quantile::P50, x).map(drop);
    let quantile: Make = |x| Quantile::new(x).map(drop);
    let limit: Make = |x| LatencyLimit::new(Quantile::P99, x).map(drop);
    let level: Make = |x| Confidence::new(x).map(drop);
    let cases: [(Make, &[f64], &[f64]); 6] = [
        (
            excess,
            &[0.0, 0.001, 0.999],
            &[-0.001, 1.0, f64::NAN, f64::INFINITY],
        ),
        (
            confidence,
            &[0.5, 0.95, 0.999_999],
            &[0.0, 0.49, 1.0, 95.0, f64::NAN],
        ),
        (level, &[0.5, 0.95], &[1.0, f64::NAN]),
        (ratio, &[1.0, 1.25, 1_000.0], &[0.99, 1_001.0, f64::NAN]),
        (limit, &[1.0], &[0.0]),
        (quantile, &[0.5, 0.999], &[0.0, 0.49, 1.0, 99.0, f64::NAN]),
    ];
    for (make, good, bad) in cases {
        for value in good {
            assert_eq!(make(*value), Ok(()), "{value}");
        }
        for value in bad {
            let text = make(*value).expect_err("refused").to_string();
            assert!(text.contains(&format!("not {value};")), "{text}");
        }
    }
}

#[test]
fn a_quantile_is_right_to_the_width_of_a_bucket() {
    let mut histogram = LatencyHistogram::new();
    for micros in 1..=100_000 {
        histogram.record(Duration::from_micros(micros));
    }
    for (quantile, exact) in [
        (Quantile::P50, 50_000.0),
        (Quantile::P90, 90_000.0),
        (Quantile::P99, 99_000.0),
    ] {
        let measured = histogram
            .quantile(quantile)
            .expect("there is data")
            .as_secs_f64()
            * 1e6;
        assert!((exact..exact * 1.036).contains(&measured), "{measured}");
    }
    // Neither end is left out.
    let mut ends = LatencyHistogram::new();
    ends.record(Duration::ZERO);
    assert!(
        ends.quantile(Quantile::P50)
            .is_some_and(|low| low < Duration::from_micros(2))
    );
    ends.record(Duration::MAX);
    assert_eq!(ends.count(), 2);
    assert!(
        ends.quantile(Quantile::P99)
            .is_some_and(|high| high > Duration::from_secs(48))
    );
}

#[test]
fn a_high_quantile_needs_more_pairs_for_its_first_limit() {
    for (quantile, first) in [(0.5, 200), (0.95, 200), (0.99, 1_000), (0.999, 10_000)] {
        let quantile = Quantile::new(quantile).expect("valid");
        let mut test = LatencyTest::new(LatencyLimit::new(quantile, 1.5).expect("valid"));
        let ms = Duration::from_millis(10);
        let counted = (0..20_000).position(|_| test.record(ms, ms).is_some());
        assert_eq!(counted, Some(first), "{quantile}");
    }
}

#[test]
fn the_limit_of_the_latency_comes_from_earlier_pairs_only() {
    let limit = LatencyLimit::new(Quantile::P50, 1.5).expect("valid");
    let mut test = LatencyTest::new(limit);
    let ms = Duration::from_millis;
    for _ in 0..LatencyTest::PERIOD {
        assert_eq!(test.threshold(), None);
        assert_eq!(test.record(ms(1_000), ms(10)), None);
    }
    let first = test.threshold().expect("a threshold");
    // The shadow's latencies do not move it, and the baseline's do only at the end of a period.
    for _ in 1..LatencyTest::PERIOD {
        assert_eq!(test.record(ms(15), ms(5)), Some(Finding::Equal));
        assert_eq!(test.threshold(), Some(first));
    }
    assert_eq!(test.record(ms(16), ms(11)), Some(Finding::Both));
    assert_ne!(test.threshold(), None);
}
