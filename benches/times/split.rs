//! The cost of selecting a subset, compared with the least possible by hand and with tower's `Steer`; and a change of weights.

use std::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Waker},
};

use criterion::Criterion;
use http::Request;
use tower::{Service, steer::Steer};
use tower_mirror::{Draw, Key};

use super::row;
use tower_mirror_testing::cases::{
    body::Frames,
    services::Null,
    splits::{self, split},
    unsampled::{self, called},
};

pub(super) fn bench(criterion: &mut Criterion) {
    choose(criterion);
    change(criterion);
}

fn choose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    row(&mut group, "Arc clone, atomic add, call", splits::by_hand());
    row(&mut group, "bare service", unsampled::bare());
    let turn = AtomicUsize::new(0);
    let picker =
        move |_: &Request<Frames>, services: &[Null]| turn.fetch_add(1, Relaxed) % services.len();
    let mut steer = Steer::new([Null, Null], picker);
    // It must be polled before each call. Here it is always ready.
    let steer = tower::service_fn(move |request| {
        let _ = steer.poll_ready(&mut Context::from_waker(Waker::noop()));
        steer.call(request)
    });
    row(&mut group, "Steer, 2 subsets", called(steer));
    type Named = (&'static str, fn() -> Draw);
    let draws: [Named; 3] = [
        ("even", Draw::even),
        ("random", Draw::random),
        ("keyed", || Draw::key(Key::header("x-user"))),
    ];
    for subsets in [2, 8] {
        for (name, draw) in draws {
            let service = split(subsets, draw());
            row(
                &mut group,
                &format!("{subsets} subsets, {name}"),
                called(service),
            );
        }
    }
    row(
        &mut group,
        "2 subsets, even, without ServedBy",
        splits::without_served_by(),
    );
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
