use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, service_fn};
use tower_mirror::*;

#[tokio::test]
async fn smoke() {
    let shadow = service_fn(async |request: Request<ShadowBody>| {
        assert_eq!(request.headers()["host"], "catalog-shadow:80");
        let copy = request.into_body().collect().await?.to_bytes();
        assert_eq!(copy, "hello");
        Ok::<_, tower_mirror::BoxError>(Response::new(Full::new(Bytes::new())))
    });
    let mirror = MirrorLayer::builder(shadow)
        .observer(|r: &Report| println!("{r:?}"))
        .build();
    let app: Router = Router::new()
        .route("/", post(async |b: String| b))
        .layer(mirror.clone());
    let request = Request::post("/")
        .header("host", "catalog:80")
        .body(Body::from("hello"))
        .unwrap();
    let answer = app.oneshot(request).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
    mirror.handle().idle().await;
    println!("{}", mirror.handle().stats());
    assert_eq!(mirror.handle().stats().outcome(Outcome::Completed), 1);
    assert_eq!(mirror.handle().stats().buffered_bytes(), 0);
}
