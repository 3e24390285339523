//! `record_split`: the counters and gauges of a split.

use metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::split::SplitHandle;

const REQUESTS: &str = "tower_mirror_split_requests_total";
const UNREADY: &str = "tower_mirror_split_unready_total";
const REFUSED: &str = "tower_mirror_split_refused_total";
const UNKNOWN_FORCED: &str = "tower_mirror_split_unknown_forced_total";
const POLICY_PANICS: &str = "tower_mirror_split_policy_panics_total";
const WEIGHT: &str = "tower_mirror_split_weight";
const CONFIGURED_RATIO: &str = "tower_mirror_split_configured_ratio";
const GENERATION: &str = "tower_mirror_split_generation";

/// Sets the counters and gauges of one split to their current values. See the [table](super).
pub fn record_split(split: &SplitHandle) {
    describe();
    let stats = split.stats();
    let name = SharedString::from_owned(split.name().to_owned());

    for subset in &stats.subsets {
        let of_subset = [
            ("split", name.clone()),
            ("subset", SharedString::from_shared(subset.name.clone())),
        ];
        for (reason, count) in [
            ("forced", subset.forced),
            ("keyed", subset.keyed),
            ("weighted", subset.weighted),
            ("fallback", subset.fallback),
        ] {
            let [split, subset] = of_subset.clone();
            counter!(REQUESTS, &[split, subset, ("reason", reason.into())]).absolute(count);
        }
        counter!(UNREADY, &of_subset).absolute(subset.unready);
        gauge!(WEIGHT, &of_subset).set(f64::from(subset.weight));
        gauge!(CONFIGURED_RATIO, &of_subset).set(subset.configured);
    }
    for (reason, count) in [
        ("no_weight", stats.no_weight),
        ("not_ready", stats.not_ready),
    ] {
        counter!(REFUSED, "split" => name.clone(), "reason" => reason).absolute(count);
    }
    counter!(UNKNOWN_FORCED, "split" => name.clone()).absolute(stats.unknown_forced);
    counter!(POLICY_PANICS, "split" => name.clone()).absolute(stats.policy_panics);
    gauge!(GENERATION, "split" => name).set(stats.generation as f64);
}

fn describe() {
    for (name, what) in [
        (
            REQUESTS,
            "Requests by the subset that served them and the reason.",
        ),
        (UNREADY, "Requests for which the subset was not ready."),
        (REFUSED, "Requests that no subset served, by reason."),
        (
            UNKNOWN_FORCED,
            "Trusted requests that named a subset that does not exist.",
        ),
        (
            POLICY_PANICS,
            "Panics of keys and trust predicates that were caught.",
        ),
    ] {
        describe_counter!(name, Unit::Count, what);
    }
    for (name, what) in [
        (WEIGHT, "The subset's weight in force."),
        (CONFIGURED_RATIO, "The subset's share by weight."),
        (
            GENERATION,
            "The number of changes of the weights since the split was built.",
        ),
    ] {
        describe_gauge!(name, Unit::Count, what);
    }
}
