//! Three ratios for alerts.

use tower_mirror::{MirrorStats, Outcome, StatusClass};

/// Of the requests that should have a copy: the share whose copy v2 answered.
fn coverage(stats: &MirrorStats) -> f64 {
    use Outcome::{
        Completed, CompletedTruncated, Draining, Filtered, Loop, NotSampled, Paused,
        TransferCoding, Upgrade,
    };
    let count = |outcomes: &[Outcome]| {
        outcomes
            .iter()
            .map(|outcome| stats.outcome(*outcome))
            .sum::<u64>()
    };
    let by_configuration = count(&[
        Filtered,
        NotSampled,
        Paused,
        Draining,
        Loop,
        TransferCoding,
        Upgrade,
    ]);
    ratio(
        count(&[Completed, CompletedTruncated]),
        stats.requests() - stats.in_flight() - by_configuration,
    )
}

/// Of the requests that v1 answered with 2xx: the share that v2 answered with 5xx.
fn worse(stats: &MirrorStats) -> f64 {
    let by = |shadow| stats.statuses(StatusClass::Success, shadow);
    ratio(
        by(StatusClass::ServerError),
        by(StatusClass::Success) + by(StatusClass::ServerError),
    )
}

/// Of all requests: the share that was not copied because v2 is too slow for the rate.
fn skipped(stats: &MirrorStats) -> f64 {
    ratio(
        stats.outcome(Outcome::InFlightLimit) + stats.outcome(Outcome::BufferLimit),
        stats.requests(),
    )
}

fn ratio(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

mod tests {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};
    use tower::ServiceExt;
    use tower_mirror::MirrorLayer;

    use super::{coverage, skipped, worse};

    #[tokio::test]
    async fn one_of_four_answers_is_worse() {
        let v2 = Router::<()>::new()
            .route("/a", get(async || ""))
            .route("/b", get(async || StatusCode::BAD_GATEWAY));
        let mirror = MirrorLayer::new(v2);
        let app: Router = Router::new().fallback(async || "").layer(mirror.clone());
        for path in ["/a", "/a", "/a", "/b"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap();
        }
        mirror.handle().wait_idle().await;
        let stats = mirror.handle().stats();
        let ratios = (coverage(&stats), worse(&stats), skipped(&stats));
        assert_eq!(ratios, (1.0, 0.25, 0.0), "{stats}");
    }
}
