//! The groups that criterion runs, one module for each.

mod answers;
mod application;
mod buffer;
mod clone;
mod floor;
mod naive;
mod observers;
mod passthrough;
mod split;
mod threads;

use criterion::{BatchSize, BenchmarkGroup, Criterion, measurement::WallTime};

use tower_mirror_testing::cases::Case;

pub(crate) const TOPICS: [fn(&mut Criterion); 10] = [
    passthrough::bench,
    clone::bench,
    buffer::bench,
    floor::bench,
    naive::bench,
    split::bench,
    observers::bench,
    application::bench,
    threads::bench,
    answers::bench,
];

/// One row of a group.
fn row(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut case: Case) {
    let make = case.maker();
    group.bench_function(name, |bencher| {
        bencher.iter_batched(&make, |request| case.run(request), BatchSize::SmallInput);
    });
}
