//! Two mirrors that are drained at the same time.

use std::time::Duration;
use tower_mirror::MirrorHandle;

async fn drain(v2: &MirrorHandle, v3: &MirrorHandle) -> u64 {
    let deadline = Duration::from_secs(5);
    let (v2, v3) = tokio::join!(v2.drain(deadline), v3.drain(deadline));
    v2.aborted + v3.aborted
}

mod tests {
    use std::future::pending;

    use axum::{Router, body::Body};
    use http::Request;
    use tokio::time::{Duration, Instant};
    use tower::{Layer, ServiceExt};
    use tower_mirror::MirrorLayer;

    use super::drain;

    #[tokio::test(start_paused = true)]
    async fn the_deadlines_do_not_add_up() {
        let hangs = || Router::<()>::new().fallback(async || pending::<()>().await);
        let mirror = || {
            MirrorLayer::builder(hangs())
                .timeout(Duration::from_secs(60))
                .build()
        };
        let (v2, v3) = (mirror(), mirror());
        let app = v2.layer(v3.layer(Router::<()>::new()));
        app.oneshot(Request::new(Body::empty())).await.unwrap();
        let begun = Instant::now();
        assert_eq!(drain(&v2.handle(), &v3.handle()).await, 2);
        assert!(begun.elapsed() < Duration::from_secs(6));
    }
}
