//! The mirror, compared with the cheapest correct copy by hand.

use criterion::Criterion;

use super::row;
use tower_mirror_testing::cases::{copies, list::SHAPES};

pub(super) fn bench(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("floor, {shape}"));
        row(&mut group, "floor", copies::by_hand(shape));
        row(
            &mut group,
            "with host and mark",
            copies::marked_by_hand(shape),
        );
        row(&mut group, "Buffered", copies::buffered(shape));
        group.finish();
    }
}
