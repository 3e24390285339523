//! From answers to a verdict: the comparison, the mask, the counts and the judgement together.

use std::{collections::BTreeSet, time::Duration};

use tower_mirror::compare::{
    Accept, BlockCounter, Compared, Comparer, Finding, NoiseMask, RouteCounts, Rules, Verdict,
    judge,
};

use super::json;

/// Twenty requests a second for so many of them. The items have random ids and times, and some answers lack a price: of the
/// shadow `dropped_by_shadow` of 1000, of the baseline 20 of 1000.
fn verdict(requests: u64, dropped_by_shadow: u64) -> (Verdict, Vec<String>) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut comparer = Comparer::new(Rules::default());
    let (mut mask, mut whole) = (NoiseMask::new(), BlockCounter::paired());
    let mut all = Vec::new();
    let mut now = Duration::ZERO;
    for request in 0..requests {
        now = Duration::from_millis(50 * request);
        let mut answer = |dropped: u64| {
            let price = if random.u64(0..1000) < dropped {
                ""
            } else {
                r#""price":3,"#
            };
            let (id, time) = (random.u64(..), random.u64(..));
            json(format!(
                r#"{{"items":[{{{price}"id":"{id:x}"}}],"time":{time}}}"#
            ))
        };
        let (primary, shadow, baseline) = (answer(0), answer(dropped_by_shadow), answer(20));
        let compared = comparer
            .compare(&primary, &shadow, Some(&baseline))
            .expect("comparable");
        whole.record(
            now,
            mask.judge(&compared.shadow_only, &compared.baseline_only),
        );
        all.push((now, compared));
    }
    now += BlockCounter::BLOCK;
    let mut row = RouteCounts::new("GET /items", whole.tally(now));
    let sides =
        |compared: &Compared| [compared.shadow_only.clone(), compared.baseline_only.clone()];
    let paths: BTreeSet<_> = all
        .iter()
        .flat_map(|(_, compared)| sides(compared))
        .flatten()
        .collect();
    let mut names = Vec::new();
    for path in paths {
        // A path has a coin of its own, also if it is masked as noise in whole answers.
        let mut counter = BlockCounter::paired();
        for (at, compared) in &all {
            let [shadow, baseline] = sides(compared).map(|list| list.contains(&path));
            counter.record(*at, Finding::of(shadow, baseline));
        }
        let name = comparer.path(path.0);
        names.push(format!("{name} {}", path.1));
        row = row.path(name, path.1.as_str(), counter.tally(now));
    }
    let accept = Accept::excess(0.01).expect("a share");
    (judge(&[row], &accept), names)
}

#[test]
fn a_field_that_v2_drops_fails_and_its_path_is_named() {
    let (verdict, paths) = verdict(4_000, 80);
    assert!(verdict.is_fail(), "{verdict:?}");
    // Ids and times differ on both sides in each request, and are not a part of it.
    assert_eq!(paths, ["/items/*/price removed"]);
}

#[test]
fn a_shadow_that_is_v1_again_does_not_fail() {
    let (verdict, paths) = verdict(4_000, 20);
    assert!(!verdict.is_fail(), "{verdict:?}");
    assert_eq!(paths, ["/items/*/price removed"]);
}
