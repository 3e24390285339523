//! `GET /metrics`, as Prometheus reads it.

use std::{io, time::Duration};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::task::spawn_blocking;
use tower_mirror::metrics;

use super::Handles;

/// The buckets that OpenTelemetry recommends for HTTP, and lower ones for services on the same network.
const SECONDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];
const BYTES: [f64; 7] = [0.0, 256.0, 1024.0, 4096.0, 16384.0, 131_072.0, 1_048_576.0];
/// The exporter stores samples until a scrape. This period removes them if nothing scrapes it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder, and serves its metrics and those of the handles.
pub(super) fn router(handles: Handles) -> io::Result<Router> {
    let prometheus = recorder().map_err(io::Error::other)?;
    tokio::spawn(upkeep(prometheus.clone()));
    let metrics = async move || {
        for mirror in handles.mirror.iter().chain(&handles.baseline) {
            metrics::record_mirror(mirror);
        }
        if let Some(split) = &handles.split {
            metrics::record_split(split);
        }
        if let Some(compare) = handles.compare.clone() {
            // This takes some milliseconds, in which the thread that serves would pause.
            let _ = spawn_blocking(move || metrics::record_compare(&compare)).await;
        }
        let kind = (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
        ([kind], prometheus.render())
    };
    Ok(Router::new().route("/metrics", get(metrics)))
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
        .install_recorder()
}

async fn upkeep(prometheus: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        prometheus.run_upkeep();
    }
}
