//! `MetricsObserver`: records the durations and sizes of requests and copies.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use metrics::{Histogram, Unit, describe_histogram, histogram};
use tokio::time::Instant;

use crate::observe::{Observer, Report};

const PRIMARY_LATENCY: &str = "tower_mirror_primary_latency_seconds";
const SHADOW_LATENCY: &str = "tower_mirror_shadow_latency_seconds";
const REQUEST_BYTES: &str = "tower_mirror_request_bytes";
const RESPONSE_BYTES: &str = "tower_mirror_response_bytes";

/// How long the recorder's handles are kept. They are kept because obtaining them is most of the
/// cost. They are not kept longer, because a recorder may be installed late, or may remove a
/// histogram that was idle.
const KEPT: Duration = Duration::from_secs(1);

/// An [`Observer`] that records latencies and sizes of all requests that have a copy, for
/// [`MirrorBuilder::observe_with`](crate::MirrorBuilder::observe_with). See the
/// [module](crate::metrics) for an example.
///
/// The two latencies belong to the same requests and can be compared, unless the primary fails or
/// the shadow does not answer. Sizes are recorded for copies that were
/// [sent](crate::observe::ShadowReport::sent). Values are lost if they are recorded before a
/// recorder is installed, or up to a second after that.
///
/// # Example
///
/// ```
/// use tower_mirror::{HttpTarget, MirrorLayer, metrics::MetricsObserver};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mirror = MirrorLayer::builder(HttpTarget::new("http://127.0.0.1:9002")?)
///     .observe_with(MetricsObserver::new())
///     .build();
/// # let _ = mirror;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MetricsObserver {
    histograms: ArcSwapOption<MirrorHistograms>,
}

impl MetricsObserver {
    /// Creates the observer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            histograms: ArcSwapOption::const_empty(),
        }
    }
}

impl Clone for MetricsObserver {
    /// Creates an observer for another mirror. It shares nothing with this one.
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl Observer for MetricsObserver {
    fn on_report(&self, report: &Report) {
        let now = Instant::now();
        if let Some(kept) = &*self.histograms.load() {
            if now < kept.until && kept.mirror == report.mirror {
                return kept.record(report);
            }
        }
        let asked = MirrorHistograms::ask(&report.mirror, now + KEPT);
        asked.record(report);
        self.histograms.store(Some(Arc::new(asked)));
    }
}

/// The recorder's handles for the histograms of one mirror.
#[derive(Debug)]
struct MirrorHistograms {
    mirror: Arc<str>,
    until: Instant,
    primary_latency: Histogram,
    shadow_latency: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

impl MirrorHistograms {
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
            "Time from the arrival of a copied request to the head of the primary's response, or to the primary's end if there is no response.",
        ),
        (
            SHADOW_LATENCY,
            Unit::Seconds,
            "Time from the end of the body of a copied request to the head of the shadow's response.",
        ),
        (
            REQUEST_BYTES,
            Unit::Bytes,
            "Size of the request bodies that were sent to the shadow.",
        ),
        (
            RESPONSE_BYTES,
            Unit::Bytes,
            "Number of bytes received of the shadow's response bodies.",
        ),
    ] {
        describe_histogram!(name, unit, what);
    }
}
