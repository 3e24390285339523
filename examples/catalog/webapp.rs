//! `webapp`: an axum app that answers from a catalog, and the mirror around it.

use std::time::Duration;

use axum::{Router, error_handling::HandleError};
use http::StatusCode;
use tower_mirror::{
    HttpTarget, MirrorLayer, Report,
    client::{self, HttpTargetBuilder, InvalidUrl},
};

/// How long the mirror waits for an answer of v2.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);
/// How many copies may be in flight at a time.
pub(crate) const MAX_IN_FLIGHT: usize = 128;
/// How many sockets the mirror may use.
pub(crate) const MAX_CONNECTIONS: usize = 32;

/// Answers with what v1 answers. The mirror is put around it.
pub(crate) fn app(v1: HttpTarget) -> Router {
    Router::new().fallback_service(HandleError::new(v1, bad_gateway))
}

/// Mirrors every request to v2, with the host `catalog-shadow`. v2 has no database, so that it may receive writes too.
pub(crate) fn mirror(
    v2: HttpTargetBuilder,
    observer: impl Fn(&Report) + Send + Sync + 'static,
) -> Result<MirrorLayer, InvalidUrl> {
    let v2 = v2.max_connections(MAX_CONNECTIONS).build()?;
    let mirror = MirrorLayer::builder(v2)
        .name("catalog-v2")
        .max_in_flight(MAX_IN_FLIGHT)
        .timeout(TIMEOUT)
        .observer(observer);
    Ok(mirror.build())
}

async fn bad_gateway(error: client::Error) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, format!("catalog: {error}\n"))
}
