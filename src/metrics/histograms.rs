//! How long requests and copies take, and how large they are.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use metrics::{Histogram, Unit, describe_histogram, histogram};
use tokio::time::Instant;

use crate::observe::{Observer, Report};

const PRIMARY_LATENCY: &str = "tower_mirror_primary_latency_seconds";
const SHADOW_LATENCY: &str = "tower_mirror_shadow_latency_seconds";
const REQUEST_BYTES: &str = "tower_mirror_request_bytes";
const RESPONSE_BYTES: &str = "tower_mirror_response_bytes";

/// How long a recorder is not asked again. Asking is most of what recording costs; but a recorder may be installed late,
/// or forget a histogram that was idle.
const KEPT: Duration = Duration::from_secs(1);

/// An [`Observer`] that records latencies and sizes of all requests that have a copy, for
/// [`MirrorBuilder::observer`](crate::MirrorBuilder::observer).
///
/// The two latencies are of the same requests, and so can be compared, but where the primary fails or the shadow does
/// not answer. A size is recorded of copies that were [sent](crate::observe::ShadowReport::sent). What is recorded before a recorder is
/// installed is lost, and up to a second after it.
#[derive(Debug, Default)]
pub struct Histograms {
    of_mirror: ArcSwapOption<OfMirror>,
}

impl Histograms {
    /// The observer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            of_mirror: ArcSwapOption::const_empty(),
        }
    }
}

impl Clone for Histograms {
    /// For another mirror.
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl Observer for Histograms {
    fn on_report(&self, report: &Report) {
        let now = Instant::now();
        if let Some(kept) = &*self.of_mirror.load() {
            if now < kept.until && kept.mirror == report.mirror {
                return kept.record(report);
            }
        }
        let asked = OfMirror::ask(&report.mirror, now + KEPT);
        asked.record(report);
        self.of_mirror.store(Some(Arc::new(asked)));
    }
}

/// The histograms of one mirror, as the recorder gave them.
#[derive(Debug)]
struct OfMirror {
    mirror: Arc<str>,
    until: Instant,
    primary_latency: Histogram,
    shadow_latency: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

impl OfMirror {
    fn ask(mirror: &Arc<str>, until: Instant) -> Self {
        let ask = |name: &'static str| histogram!(name, "mirror" => mirror.clone());
        Self {
            mirror: mirror.clone(),
            until,
            primary_latency: ask(PRIMARY_LATENCY),
            shadow_latency: ask(SHADOW_LATENCY),
            request_bytes: ask(REQUEST_BYTES),
            response_bytes: ask(RESPONSE_BYTES),
        }
    }

    fn record(&self, report: &Report) {
        let shadow = &report.shadow;
        self.primary_latency.record(report.primary.latency);
        if let Some(latency) = shadow.latency {
            self.shadow_latency.record(latency);
        }
        if shadow.sent {
            self.request_bytes.record(shadow.request_bytes as f64);
            self.response_bytes.record(shadow.response_bytes as f64);
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
