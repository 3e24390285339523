//! An app with a comparison around it.

use axum::{Router, extract::MatchedPath, routing::get};
use tower_mirror::{
    BoxError, HttpTarget, MirrorLayer, SampleRate,
    compare::{Accept, Compare, Json, Kind, Rules, VerdictService},
};

fn compared(v2: HttpTarget, second_v1: HttpTarget) -> Result<Router, BoxError> {
    let mirror = MirrorLayer::builder(v2)
        .name("catalog-v2")
        .sample_rate(SampleRate::percent(10.0)?)
        .route_label(|head| Some(head.extensions.get::<MatchedPath>()?.as_str().to_owned()));
    let rules = Rules::builder()
        .json(Json::new().ignore("/debug").unordered("/items/*/tags"))
        .expect("/items/*/imageUrl", Kind::Added) // this difference is wanted
        .build()?;
    let compare = Compare::with_baseline(second_v1)
        .rules(rules)
        .accept(Accept::excess(0.001)?) // 0.1 % of the requests, which is also the default
        .layer(mirror)?;
    let verdict = VerdictService::new(compare.handle());
    Ok(Router::new()
        .route("/items", get(async || r#"{"items": []}"#))
        .layer(compare) // in place of the MirrorLayer
        .nest_service("/compare", verdict))
}

mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    use tower_mirror::HttpTarget;

    use super::compared;

    #[tokio::test]
    async fn the_app_answers_and_serves_the_verdict() {
        // Nothing listens there, and v1 answers all the same.
        let nowhere = || HttpTarget::new("http://127.0.0.1:1").unwrap();
        let app = compared(nowhere(), nowhere()).unwrap();
        let text = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        };
        assert_eq!(text("/items").await, r#"{"items": []}"#);
        let verdict = text("/compare/verdict").await;
        assert!(verdict.contains(r#""verdict":"inconclusive""#), "{verdict}");
        assert!(verdict.contains(r#""mirror":"catalog-v2""#), "{verdict}");
    }
}
