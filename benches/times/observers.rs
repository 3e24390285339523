//! The cost of observers, for copies and for requests that are not copied.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use criterion::Criterion;
use tower::Layer;
use tower_mirror::{MirrorLayer, Outcome, Report, RequestHead, SampleRate, observe::Observer};

use super::row;
use tower_mirror_testing::cases::{
    body::{Shape, usual},
    copies,
    services::Null,
    unsampled::called,
};

/// Counts, as an observer for metrics does.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Observer for Count {
    fn on_report(&self, report: &Report) {
        self.0.fetch_add(report.shadow.response_bytes, Relaxed);
    }

    fn on_skip(&self, outcome: Outcome, _: &RequestHead<'_>) {
        self.0
            .fetch_add(u64::from(outcome == Outcome::NotSampled), Relaxed);
    }
}

pub(super) fn bench(criterion: &mut Criterion) {
    let numbers = [(0, "no observer"), (1, "one"), (4, "four")];
    let mut group = criterion.benchmark_group("observers, unsampled");
    for (observers, name) in numbers {
        let builder = MirrorLayer::builder(Null).sample_rate(SampleRate::NONE);
        let builder =
            (0..observers).fold(builder, |mirror, _| mirror.observe_with(Count::default()));
        row(&mut group, name, called(builder.build().layer(Null)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("observers, copied");
    for (observers, name) in numbers {
        let case = copies::mirrored(Shape::EMPTY, usual, |mirror| {
            (0..observers).fold(mirror, |mirror, _| mirror.observe_with(Count::default()))
        });
        row(&mut group, name, case);
    }
    group.finish();
}
