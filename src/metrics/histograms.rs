//! How long requests and copies take, and how large they are.

use std::sync::{Arc, OnceLock};

use metrics::{Key, Label, Level, Metadata, Recorder, Unit, describe_histogram, with_recorder};

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
#[derive(Clone, Debug, Default)]
pub struct Histograms {
    /// Of the first mirror, the only one that an observer has.
    keys: OnceLock<Keys>,
}

/// Made once: a key is two allocations and a hash, which is more than what is recorded under it. The histograms
/// themselves are asked for each time, since a recorder may be installed late, or forget those that were idle.
#[derive(Clone, Debug)]
struct Keys {
    mirror: Arc<str>,
    primary_latency: Key,
    shadow_latency: Key,
    request_bytes: Key,
    response_bytes: Key,
}

impl Keys {
    fn of(mirror: &Arc<str>) -> Self {
        let key = |name: &'static str| {
            let label = Label::new("mirror", mirror.clone());
            Key::from_parts(name, vec![label])
        };
        Self {
            mirror: mirror.clone(),
            primary_latency: key(PRIMARY_LATENCY),
            shadow_latency: key(SHADOW_LATENCY),
            request_bytes: key(REQUEST_BYTES),
            response_bytes: key(RESPONSE_BYTES),
        }
    }

    fn record(&self, report: &Report, recorder: &dyn Recorder) {
        let record = |key, value| recorder.register_histogram(key, &METADATA).record(value);
        let shadow = &report.shadow;
        record(&self.primary_latency, report.primary.latency.as_secs_f64());
        if let Some(latency) = shadow.latency {
            record(&self.shadow_latency, latency.as_secs_f64());
        }
        if shadow.sent {
            record(&self.request_bytes, shadow.request_bytes as f64);
            record(&self.response_bytes, shadow.response_bytes as f64);
        }
    }
}

static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl Histograms {
    /// The observer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            keys: OnceLock::new(),
        }
    }
}

impl Observer for Histograms {
    fn on_report(&self, report: &Report) {
        let keys = self.keys.get_or_init(|| Keys::of(&report.mirror));
        with_recorder(|recorder| {
            if keys.mirror == report.mirror {
                keys.record(report, recorder);
            } else {
                Keys::of(&report.mirror).record(report, recorder);
            }
        });
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
