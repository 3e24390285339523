//! An axum application, with a mirror around it and without one.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    routing::{get, post},
};
use criterion::Criterion;
use http::Request;
use tower::{Layer, Service};
use tower_mirror::{MirrorLayer, SampleRate};

use super::row;
use tower_mirror_testing::cases::{
    Case,
    body::{Frames, Shape, usual},
    services::{Reader, runtime},
};

fn application() -> Router {
    Router::new()
        .route("/items", get(async || "[]"))
        .route("/items", post(async |body: Bytes| body.len().to_string()))
        .route(
            "/items/{id}",
            get(async |Path(id): Path<u64>| id.to_string()),
        )
}

/// Ends when the answer is there and its copy, if any, has ended.
fn case<S>(shape: Shape, mut service: S, mirror: Option<MirrorLayer>) -> Case
where
    S: Service<Request<Body>> + 'static,
{
    let runtime = runtime();
    let handle = mirror.map(|mirror| mirror.handle());
    Case::new(
        move || usual(shape),
        move |request: Request<Frames>| {
            runtime.block_on(async {
                drop(service.call(request.map(Body::new)).await);
                if let Some(handle) = &handle {
                    handle.wait_idle().await;
                }
            });
        },
    )
}

pub(super) fn bench(criterion: &mut Criterion) {
    for shape in [Shape::EMPTY, Shape::MEBIBYTE] {
        let mut group = criterion.benchmark_group(format!("axum, {shape}"));
        row(&mut group, "application", case(shape, application(), None));
        for (name, rate) in [
            ("mirror at 0 %", SampleRate::NONE),
            ("mirror at 100 %", SampleRate::ALL),
        ] {
            let mirror = MirrorLayer::builder(Reader).sample_rate(rate).build();
            let service = mirror.layer(application());
            row(&mut group, name, case(shape, service, Some(mirror)));
        }
        group.finish();
    }
}
