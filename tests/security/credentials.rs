//! The credentials of a request, and which of them its copy has.

use http::{HeaderName, HeaderValue, Request, header::ACCEPT, request::Parts};
use tower_mirror::{
    BodyMode, HttpTarget, MirrorBuilder, MirrorLayer, Outcome,
    rewrite::{keep_headers, set_header, strip_credentials},
};

use tower_mirror_testing::*;

async fn both(
    request: Request<Script>,
    settings: impl FnOnce(MirrorBuilder) -> MirrorBuilder,
) -> (Parts, Copy) {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = settings(MirrorLayer::builder(shadow.share())).build();
    serve(&mirror, &primary, request).await.expect("an answer");
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
    (primary.one().0, shadow.one())
}

fn upload(script: Script) -> Request<Script> {
    Request::post("http://catalog/")
        .header("accept", "*/*")
        .header("authorization", "Bearer secret")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("content-type", "text/plain")
        .header("content-encoding", "gzip")
        .header("te", "trailers")
        .header("trailer", "x-sum")
        .header("x-own-secret", "secret")
        .body(script)
        .unwrap()
}

fn names(copy: &Parts) -> Vec<&str> {
    let mut names: Vec<_> = copy.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(start_paused = true)]
async fn credentials_stay_with_the_primary() {
    let request = upload(Script::chunks([3]));
    let (primary, copy) = both(request, |mirror| mirror.rewrite(strip_credentials())).await;
    assert_eq!(primary.headers.len(), 9);
    assert!(!copy.head.headers.contains_key("authorization"));
    assert!(!copy.head.headers.contains_key("cookie"));
    assert!(
        copy.head.headers.contains_key("x-own-secret"),
        "the header is not in the list"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_alone_leaves_a_whole_request() {
    let request = upload(Script::chunks([3]));
    let (primary, copy) = both(request, |mirror| mirror.rewrite(keep_headers([ACCEPT]))).await;
    assert_eq!(primary.headers.len(), 9);
    let whole = [
        "accept",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "te",
        "x-mirrored-by",
    ];
    assert_eq!(names(&copy.head), whole);
    assert_eq!(copy.head.headers["host"], "catalog-shadow");
    assert_eq!(copy.stream.bytes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_allow_list_leaves_mark_and_framing_with_any_names() {
    let mark = HeaderName::from_static("x-copy");
    let request = upload(Script::chunks([3]).then(Step::Trailers(trailers(&[("x-sum", "7")]))));
    let (_, copy) = both(request, |mirror| {
        mirror
            .body_mode(BodyMode::Streaming)
            .mark(mark.clone())
            .rewrite(set_header("x-before", HeaderValue::from_static("a")))
            .rewrite(keep_headers::<HeaderName>([]))
            .rewrite(set_header("x-after", HeaderValue::from_static("a")))
    })
    .await;
    let whole = [
        "content-encoding",
        "content-type",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "x-after",
        "x-copy",
    ];
    assert_eq!(names(&copy.head), whole);
}

/// A mirror whose shadow is the mirror itself, with a rewrite that would disable the loop guard.
#[tokio::test]
async fn no_rewrite_disarms_the_loop_guard() {
    let (listener, address) = net::listen().await;
    let target = HttpTarget::new(&format!("http://{address}")).unwrap();
    let mirror = MirrorLayer::builder(target.clone())
        .rewrite(|copy| copy.headers.clear())
        .build();
    let handle = mirror.handle();
    let app = axum::Router::new()
        .fallback(async || "served")
        .layer(mirror);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    crate::requests::send(&target, "/").await;
    tokio::time::timeout(net::HANG, handle.wait_idle())
        .await
        .unwrap();
    let stats = handle.stats();
    assert_eq!(stats.requests(), 2, "{stats}");
    assert_eq!(
        (stats.admitted(), stats.outcome(Outcome::Loop)),
        (1, 1),
        "{stats}"
    );
}
