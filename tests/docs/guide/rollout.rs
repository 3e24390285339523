//! A mirror inside a split.

use axum::Router;
use tower::Layer;
use tower_mirror::{
    Draw, Force, Key, MirrorHandle, MirrorLayer, SampleRate, SplitHandle, WeightedSplitLayer,
    sample, split,
};

fn catalog(
    v1: Router,
    v2: Router,
) -> Result<(Router, MirrorHandle, SplitHandle), split::InvalidSplit> {
    let mirror = MirrorLayer::builder(v2.clone())
        .name("catalog-v2")
        .sample_rate(SampleRate::NONE)
        .draw(Draw::key(Key::cookie("uid")))
        .filter(sample::safe_methods())
        .build();
    let split = WeightedSplitLayer::builder("catalog")
        .inner("v1", 100)
        .subset("v2", 0, v2)
        .fallback("v2", "v1")
        .draw(Draw::key(Key::cookie("uid")))
        .force(Force::header("x-version").when(|head| head.headers.contains_key("x-internal")))
        .build()?;
    let (mirror_handle, split_handle) = (mirror.handle(), split.handle());
    let app = Router::new().fallback_service(split.layer(v1.layer(mirror)));
    Ok((app, mirror_handle, split_handle))
}

mod tests {
    use axum::{Router, body::Body};
    use http::Request;
    use tower::ServiceExt;
    use tower_mirror::{Outcome, SampleRate};

    use super::catalog;

    #[tokio::test]
    async fn v2_serves_a_request_or_has_a_copy_of_it() {
        let version = |name: &'static str| Router::new().fallback(async move || name);
        let (app, mirror, split) = catalog(version("v1"), version("v2")).unwrap();
        let ask = async || {
            let answer = app
                .clone()
                .oneshot(Request::new(Body::empty()))
                .await
                .unwrap();
            let answer = axum::body::to_bytes(answer.into_body(), 10).await.unwrap();
            mirror.wait_idle().await;
            (answer, mirror.stats().outcome(Outcome::Completed))
        };
        assert_eq!(ask().await, ("v1".into(), 0));
        mirror.set_sample_rate(SampleRate::ALL);
        assert_eq!(ask().await, ("v1".into(), 1));
        split.set_weights([("v1", 0), ("v2", 1)]).unwrap();
        assert_eq!(ask().await, ("v2".into(), 1));
    }
}
