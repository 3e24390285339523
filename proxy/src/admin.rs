//! The routes of the admin address, which read and change the mirror, the split and the comparison.

mod compare;
mod metrics;
mod split;

use std::io;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{any, get, put},
};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::net::TcpListener;
use tower_mirror::{MirrorHandle, MirrorStats, SampleRate, SplitHandle, compare::CompareHandle};

/// The handles of the layers that are configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handles {
    pub(crate) mirror: Option<MirrorHandle>,
    /// The copies for the baseline.
    pub(crate) baseline: Option<MirrorHandle>,
    pub(crate) split: Option<SplitHandle>,
    pub(crate) compare: Option<CompareHandle>,
}

pub(crate) fn router(handles: Handles) -> io::Result<Router> {
    let metrics = metrics::router(handles.clone())?;
    let Handles {
        mirror,
        split,
        compare,
        ..
    } = handles;
    let mirror = match mirror {
        Some(mirror) => Router::new()
            .route("/stats", get(stats))
            .route("/mirror", put(change))
            .with_state(mirror),
        None => absent(
            ["/stats", "/mirror"],
            "nothing is mirrored without --shadow\n",
        ),
    };
    let split = match split {
        Some(split) => split::router(split),
        None => absent(["/split"], "nothing is split without --subset\n"),
    };
    let compare = match compare {
        Some(compare) => compare::router(compare),
        None => absent(compare::PATHS, "nothing is compared without --compare\n"),
    };
    let health = Router::new().route("/healthz", get(async || "ok\n"));
    Ok(metrics
        .merge(mirror)
        .merge(split)
        .merge(compare)
        .merge(health))
}

/// Serves for as long as the process lives, its drain included.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    // It never returns: it goes on after a failed `accept`.
    let _ = axum::serve(listener, router).await;
}

fn absent<const N: usize>(paths: [&'static str; N], reason: &'static str) -> Router {
    let route = |router: Router, path| router.route(path, any((StatusCode::NOT_FOUND, reason)));
    paths.into_iter().fold(Router::new(), route)
}

async fn stats(State(mirror): State<MirrorHandle>) -> Json<MirrorStats> {
    Json(mirror.stats())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "given")]
    percent: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    paused: Option<bool>,
}

/// Rejects `null`, which serde would treat as a missing field.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The settings of the mirror after a change.
#[derive(Serialize)]
struct MirrorView {
    percent: f64,
    paused: bool,
}

type Refusal = (StatusCode, String);

/// Applies all changes, or none if one of them is invalid.
async fn change(
    State(mirror): State<MirrorHandle>,
    body: Bytes,
) -> Result<Json<MirrorView>, Refusal> {
    let change: Change = serde_json::from_slice(&body).map_err(bad)?;
    let rate = change.percent.map(SampleRate::percent);
    let rate = rate.transpose().map_err(bad)?;
    if rate.is_none() && change.paused.is_none() {
        return Err(bad(
            r#"give "percent", a number, or "paused", true or false"#,
        ));
    }

    if let Some(rate) = rate {
        mirror.set_sample_rate(rate);
    }
    match change.paused {
        Some(true) => mirror.pause(),
        Some(false) => mirror.resume(),
        None => {}
    }
    Ok(Json(MirrorView {
        percent: mirror.sample_rate().as_percent(),
        paused: mirror.is_paused(),
    }))
}

fn bad(reason: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, format!("{reason}\n"))
}
