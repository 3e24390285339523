//! A sample rate that is raised step by step.

use std::time::Duration;
use tower_mirror::{MirrorHandle, MirrorStats, Outcome, SampleRate, StatusClass};

/// Whether the difference between two snapshots is good enough.
fn judge(before: &MirrorStats, now: &MirrorStats) -> Result<(), String> {
    let grown = |count: fn(&MirrorStats) -> u64| count(now) - count(before);
    let ended = grown(MirrorStats::admitted).saturating_sub(now.in_flight());
    let completed = grown(|stats| stats.outcome(Outcome::Completed));
    let panicked = grown(|stats| stats.outcome(Outcome::Panicked));
    let worse = grown(|stats| {
        let with_shadow = |class| stats.statuses(StatusClass::Success, class);
        with_shadow(StatusClass::ClientError)
            + with_shadow(StatusClass::ServerError)
            + with_shadow(StatusClass::NoAnswer)
    });
    if panicked > 0 {
        return Err("the service of v2 panicked".to_owned());
    }
    if completed * 100 < ended * 99 {
        return Err(format!(
            "only {completed} of {ended} copies were answered\n{now}"
        ));
    }
    if worse * 1000 > ended {
        return Err(format!(
            "{worse} of {ended} answers are worse than those of v1\n{now}"
        ));
    }
    Ok(())
}

async fn ramp(mirror: &MirrorHandle, watch: Duration) -> Result<(), String> {
    for percent in [1.0, 10.0, 100.0] {
        let before = mirror.stats();
        mirror.set_sample_rate(SampleRate::percent(percent).map_err(|error| error.to_string())?);
        tokio::time::sleep(watch).await;
        if let Err(reason) = judge(&before, &mirror.stats()) {
            mirror.set_sample_rate(SampleRate::NONE);
            return Err(reason);
        }
    }
    Ok(())
}

mod tests {
    use std::time::Duration;

    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};
    use tower::ServiceExt;
    use tower_mirror::{MirrorLayer, SampleRate};

    use super::ramp;

    #[tokio::test(start_paused = true)]
    async fn a_v2_that_fails_ends_the_ramp() {
        for (v2, expected) in [(StatusCode::OK, true), (StatusCode::BAD_GATEWAY, false)] {
            let v2 = Router::<()>::new().route("/", get(async move || v2));
            let mirror = MirrorLayer::builder(v2)
                .sample_rate(SampleRate::NONE)
                .build();
            let app = Router::new().route("/", get(async || "v1"));
            let app: Router = app.layer(mirror.clone());
            let load = tokio::spawn(async move {
                loop {
                    let request = Request::get("/").body(Body::empty()).unwrap();
                    app.clone().oneshot(request).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            let ended = ramp(&mirror.handle(), Duration::from_secs(10)).await;
            assert_eq!(ended.is_ok(), expected, "{ended:?}");
            let rate = if expected {
                SampleRate::ALL
            } else {
                SampleRate::NONE
            };
            assert_eq!(mirror.handle().sample_rate(), rate);
            load.abort();
        }
    }
}
