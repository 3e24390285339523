//! What choosing a subset costs, beside a bare call and beside tower's `Steer`; and a change of weights.

use std::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Waker},
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group};
use http::Request;
use http_body_util::Full;
use tower::{Service, steer::Steer};
use tower_mirror::{Draw, Key, WeightedSplit};

use crate::support::{Null, call, request};

fn split(subsets: u32, draw: Draw) -> WeightedSplit<Null> {
    let builder = WeightedSplit::builder("bench").draw(draw);
    let builder = (0..subsets).fold(builder, |builder, subset| {
        builder.subset(format!("v{subset}"), 1 + subset, Null)
    });
    builder.build().expect("a valid split")
}

fn choose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    group.bench_function("bare service", |bencher| {
        bencher.iter_batched(
            request,
            |request| call(&mut Null, request),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("Steer, 2 subsets", |bencher| {
        let turn = AtomicUsize::new(0);
        let picker = move |_: &Request<Full<Bytes>>, services: &[Null]| {
            turn.fetch_add(1, Relaxed) % services.len()
        };
        let mut steer = Steer::new([Null, Null], picker);
        bencher.iter_batched(
            request,
            |request| {
                // It must be polled before each call, and is always ready here.
                let _ = steer.poll_ready(&mut Context::from_waker(Waker::noop()));
                call(&mut steer, request);
            },
            BatchSize::SmallInput,
        );
    });
    type Named = (&'static str, fn() -> Draw);
    let draws: [Named; 3] = [
        ("even", Draw::even),
        ("random", Draw::random),
        ("keyed", || Draw::key(Key::header("x-user"))),
    ];
    for subsets in [2, 3, 8] {
        for (name, draw) in draws {
            let mut service = split(subsets, draw());
            group.bench_function(format!("{subsets} subsets, {name}"), |bencher| {
                bencher.iter_batched(
                    request,
                    |request| call(&mut service, request),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("weights");
    for subsets in [2, 8] {
        let handle = split(subsets, Draw::even()).handle();
        group.bench_function(format!("set one of {subsets}"), |bencher| {
            let mut weight = 0;
            bencher.iter(|| {
                weight += 1;
                black_box(handle.set_weight("v1", weight))
            });
        });
    }
    group.finish();
}

criterion_group!(group, choose, change);
