//! What a request costs that is not copied, beside the bare service and a layer that only
//! changes the body's type.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group};
use http::Request;
use http_body_util::{BodyExt, Full, combinators::MapErr};
use tower::{Layer, Service};
use tower_mirror::{Draw, Key, MirrorLayer, SampleRate};

use crate::support::{Null, call, request};

/// Changes the body's type, and nothing else.
#[derive(Clone)]
struct Identity<S>(S);

type Mapped = MapErr<Full<Bytes>, fn(Infallible) -> Infallible>;

impl<S: Service<Request<Mapped>>> Service<Request<Full<Bytes>>> for Identity<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> S::Future {
        let same: fn(Infallible) -> Infallible = |never| never;
        self.0.call(request.map(|body| body.map_err(same)))
    }
}

fn passthrough(criterion: &mut Criterion) {
    let mirror = |rate, draw| {
        let builder = MirrorLayer::builder(Null).sample(rate).draw(draw);
        builder.build().layer(Null)
    };
    let rare = SampleRate::per_million(1).expect("a valid rate");
    let key = Key::header("x-user");
    let mut services = [
        ("mirror at 0 %", mirror(SampleRate::NONE, Draw::even())),
        ("mirror at 0.0001 %, even", mirror(rare, Draw::even())),
        ("mirror at 0.0001 %, keyed", mirror(rare, Draw::key(key))),
    ];
    let mut group = criterion.benchmark_group("passthrough");
    group.bench_function("bare service", |bencher| {
        bencher.iter_batched(
            request,
            |request| call(&mut Null, request),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("identity layer", |bencher| {
        let mut identity = Identity(Null);
        bencher.iter_batched(
            request,
            |request| call(&mut identity, request),
            BatchSize::SmallInput,
        );
    });
    for (name, service) in &mut services {
        group.bench_function(*name, |bencher| {
            bencher.iter_batched(
                request,
                |request| call(service, request),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(group, passthrough);
