//! An observer that hands over reports of different answers.

use tokio::sync::mpsc;
use tower_mirror::{MirrorLayer, Outcome, Report, Shadow, sample};

fn observed<R>(shadow: impl Shadow<R>) -> (MirrorLayer, mpsc::Receiver<Report>) {
    let (send, differing) = mpsc::channel(1024);
    let mirror = MirrorLayer::builder(shadow)
        .filter(sample::safe_methods())
        .route_label(|head| Some(head.uri.path().split('/').nth(1)?.to_owned()))
        .observer(move |report| {
            let differs = report.outcome != Outcome::Completed
                || report.primary.status != report.shadow.status;
            if differs {
                let _ = send.try_send(report.clone());
            }
        })
        .build();
    (mirror, differing)
}

mod tests {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::observed;

    #[tokio::test]
    async fn only_different_answers_are_handed_over() {
        let v2 = Router::<()>::new().route("/items/7", get(async || StatusCode::NOT_FOUND));
        let v2 = v2.route("/same", get(async || ""));
        let (mirror, mut differing) = observed(v2);
        let app: Router = Router::new().fallback(async || "").layer(mirror.clone());
        for path in ["/same", "/items/7"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap();
            mirror.handle().wait_idle().await;
        }
        let report = differing.recv().await.unwrap();
        assert_eq!(report.route.as_deref(), Some("items"));
        assert_eq!(report.shadow.status, Some(StatusCode::NOT_FOUND));
        assert!(differing.is_empty());
    }
}
