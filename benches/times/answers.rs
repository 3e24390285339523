//! Two JSON answers of 45 KB: the walker beside two trees of `serde_json`.

use std::hint::black_box;

use criterion::Criterion;
use tower_mirror::compare::Rules;

use tower_mirror_testing::cases::answers::{answer, by_trees, pairs, walked};

pub(super) fn bench(criterion: &mut Criterion) {
    for pair in pairs() {
        let mut group = criterion.benchmark_group(format!("answers, {}", pair.name));
        group.bench_function("two trees", |bencher| {
            bencher.iter(|| by_trees(black_box(&pair.texts)));
        });
        let [a, b] = pair.texts.each_ref().map(|text| answer(text));
        let rules = Rules::default();
        group.bench_function("walker", |bencher| {
            bencher.iter(|| walked(&rules, black_box(&a), black_box(&b)));
        });
        group.finish();
    }
}
