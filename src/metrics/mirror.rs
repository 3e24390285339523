//! `record_mirror`: the counters and gauges of a mirror.

use metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, gauge};

use super::observer;
use crate::{mirror::MirrorHandle, observe::StatusClass};

const REQUESTS: &str = "tower_mirror_requests_total";
const ADMITTED: &str = "tower_mirror_admitted_total";
const STATUSES: &str = "tower_mirror_statuses_total";
const OBSERVER_PANICS: &str = "tower_mirror_observer_panics_total";
const IN_FLIGHT: &str = "tower_mirror_in_flight";
const BUFFERED_BYTES: &str = "tower_mirror_buffered_bytes";
const SAMPLE_RATIO: &str = "tower_mirror_sample_ratio";
const PAUSED: &str = "tower_mirror_paused";

/// Sets the counters and gauges of one mirror to their current values. See the [table](super).
pub fn record_mirror(mirror: &MirrorHandle) {
    describe();
    observer::describe();
    let stats = mirror.stats();
    let name = SharedString::from_owned(mirror.name().to_owned());

    for (outcome, count) in stats.outcomes() {
        counter!(REQUESTS, "mirror" => name.clone(), "outcome" => outcome.as_str()).absolute(count);
    }
    for primary in StatusClass::ALL {
        for shadow in StatusClass::ALL {
            let labels = [
                ("mirror", name.clone()),
                ("primary", primary.as_str().into()),
                ("shadow", shadow.as_str().into()),
            ];
            counter!(STATUSES, &labels).absolute(stats.statuses(*primary, *shadow));
        }
    }
    let count = |metric, count| counter!(metric, "mirror" => name.clone()).absolute(count);
    count(ADMITTED, stats.admitted());
    count(OBSERVER_PANICS, stats.observer_panics());

    let set = |metric, value| gauge!(metric, "mirror" => name.clone()).set(value);
    set(IN_FLIGHT, stats.in_flight() as f64);
    set(BUFFERED_BYTES, stats.buffered_bytes() as f64);
    set(SAMPLE_RATIO, mirror.sample_rate().as_percent() / 100.0);
    set(PAUSED, f64::from(u8::from(mirror.is_paused())));
}

fn describe() {
    for (name, what) in [
        (REQUESTS, "Requests by the outcome of their copy."),
        (ADMITTED, "Copies that were begun."),
        (
            STATUSES,
            "Copied requests by the status classes of both responses.",
        ),
        (OBSERVER_PANICS, "Panics of observers that were caught."),
    ] {
        describe_counter!(name, Unit::Count, what);
    }
    for (name, unit, what) in [
        (
            IN_FLIGHT,
            Unit::Count,
            "Copies that have begun and have not ended.",
        ),
        (
            BUFFERED_BYTES,
            Unit::Bytes,
            "Bytes that are charged for the copies in flight.",
        ),
        (
            SAMPLE_RATIO,
            Unit::Count,
            "The configured share of requests that are copied.",
        ),
        (PAUSED, Unit::Count, "Whether the mirror is paused."),
    ] {
        describe_gauge!(name, unit, what);
    }
}
