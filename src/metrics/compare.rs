//! What a comparison has counted.

use metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::compare::{CompareHandle, Finding};

const COMPARED: &str = "tower_mirror_compared_total";
const NOT_COMPARED: &str = "tower_mirror_not_compared_total";
const NOT_JUDGED: &str = "tower_mirror_not_judged_total";
const SECONDS: &str = "tower_mirror_compare_seconds_total";
const EVIDENCE: &str = "tower_mirror_evidence";
const VERDICT: &str = "tower_mirror_verdict";
const MISSING: &str = "tower_mirror_verdict_missing";
const HELD_BYTES: &str = "tower_mirror_compare_held_bytes";

/// Sets the counters and gauges of one comparison to what they are now. See the [table](super).
///
/// It computes a [report](CompareHandle::report), which takes some milliseconds.
pub fn record_compare(compare: &CompareHandle) {
    describe();
    let name = SharedString::from_owned(compare.name().to_owned());
    for (route, totals) in compare.totals() {
        let route = SharedString::from_shared(route);
        for (finding, count) in Finding::ALL.iter().zip(totals.findings) {
            let labels = [
                ("mirror", name.clone()),
                ("route", route.clone()),
                ("result", finding.as_str().into()),
            ];
            counter!(COMPARED, &labels).absolute(count);
        }
        counter!(NOT_JUDGED, "mirror" => name.clone(), "route" => route)
            .absolute(totals.not_judged);
    }
    for (reason, count) in compare.dropped_totals() {
        let reason = reason.as_str();
        counter!(NOT_COMPARED, "mirror" => name.clone(), "reason" => reason).absolute(count);
    }
    let seconds = compare.comparing_time().as_secs();
    counter!(SECONDS, "mirror" => name.clone()).absolute(seconds);

    let report = compare.report();
    for route in &report.routes {
        let evidence = [
            ("above", route.evidence.ln_e_above()),
            ("below", route.evidence.ln_e_below()),
        ];
        for (test, evidence) in evidence {
            let labels = [
                ("mirror", name.clone()),
                ("route", SharedString::from_shared(route.route.clone())),
                ("test", test.into()),
            ];
            gauge!(EVIDENCE, &labels).set(evidence);
        }
    }
    for verdict in ["pass", "fail", "inconclusive"] {
        let is_it = verdict == report.verdict.as_str();
        gauge!(VERDICT, "mirror" => name.clone(), "verdict" => verdict)
            .set(f64::from(u8::from(is_it)));
    }
    let missing = report.missing().map_or(f64::NAN, |missing| missing as f64);
    gauge!(MISSING, "mirror" => name.clone()).set(missing);
    gauge!(HELD_BYTES, "mirror" => name).set(compare.held_bytes() as f64);
}

fn describe() {
    for (name, unit, what) in [
        (
            COMPARED,
            Unit::Count,
            "Compared requests by route and by which side differs.",
        ),
        (
            NOT_COMPARED,
            Unit::Count,
            "Mirrored requests that were not compared, by reason.",
        ),
        (
            NOT_JUDGED,
            Unit::Count,
            "Compared requests of which nothing of the body could be judged, by route.",
        ),
        (
            SECONDS,
            Unit::Seconds,
            "Time that the comparing thread has worked.",
        ),
    ] {
        describe_counter!(name, unit, what);
    }
    for (name, unit, what) in [
        (
            EVIDENCE,
            Unit::Count,
            "Evidence of this replica in nats, by route: above and below the tolerated excess.",
        ),
        (
            VERDICT,
            Unit::Count,
            "1 for the verdict of this replica, 0 for the others.",
        ),
        (
            MISSING,
            Unit::Count,
            "Requests that PASS still needs; NaN if it is decided or never decided.",
        ),
        (
            HELD_BYTES,
            Unit::Bytes,
            "Bytes of answers that are not compared yet.",
        ),
    ] {
        describe_gauge!(name, unit, what);
    }
}
