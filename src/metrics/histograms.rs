//! How long requests and copies take, and how large they are.

use metrics::{Unit, describe_histogram, histogram};

use crate::observe::{Observer, Report};

const PRIMARY_LATENCY: &str = "tower_mirror_primary_latency_seconds";
const SHADOW_LATENCY: &str = "tower_mirror_shadow_latency_seconds";
const REQUEST_BYTES: &str = "tower_mirror_request_bytes";
const RESPONSE_BYTES: &str = "tower_mirror_response_bytes";

/// An [`Observer`] that records latencies and sizes of all requests that have a copy, for
/// [`MirrorBuilder::observer`](crate::MirrorBuilder::observer).
///
/// The two latencies are of the same requests, and so can be compared, but where the primary fails or the shadow does
/// not answer. A size is recorded of copies that were [sent](crate::observe::ShadowReport::sent). What is recorded before a recorder is
/// installed is lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histograms(());

impl Histograms {
    /// The observer.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Observer for Histograms {
    fn on_report(&self, report: &Report) {
        let record = |name: &'static str, value: f64| {
            histogram!(name, "mirror" => report.mirror.clone()).record(value);
        };
        record(PRIMARY_LATENCY, report.primary.latency.as_secs_f64());
        let shadow = &report.shadow;
        if let Some(latency) = shadow.latency {
            record(SHADOW_LATENCY, latency.as_secs_f64());
        }
        if shadow.sent {
            record(REQUEST_BYTES, shadow.request_bytes as f64);
            record(RESPONSE_BYTES, shadow.response_bytes as f64);
        }
    }
}

pub(super) fn describe() {
    for (name, unit, what) in [
        (
            PRIMARY_LATENCY,
            Unit::Seconds,
            "From a copied request's arrival to the head of the primary's answer, or its end without one.",
        ),
        (
            SHADOW_LATENCY,
            Unit::Seconds,
            "From the end of a copied request's body to the head of the shadow's answer.",
        ),
        (
            REQUEST_BYTES,
            Unit::Bytes,
            "Size of the bodies that the shadow was sent.",
        ),
        (
            RESPONSE_BYTES,
            Unit::Bytes,
            "Size of the shadow's bodies, as far as they were received.",
        ),
    ] {
        describe_histogram!(name, unit, what);
    }
}
