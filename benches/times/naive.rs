//! The mirror, compared with a mirror as people usually write it by hand, which is the baseline.

use criterion::Criterion;

use super::row;
use tower_mirror_testing::cases::{Shaped, body::Shape, copies};

pub(super) fn bench(criterion: &mut Criterion) {
    let rows: [Shaped; 4] = [
        ("naive", copies::naive),
        ("floor", copies::by_hand),
        ("Buffered", copies::buffered),
        ("Streaming", copies::streaming),
    ];
    for shape in [Shape::SMALL, Shape::MEBIBYTE] {
        let mut group = criterion.benchmark_group(format!("naive, {shape}"));
        for (name, make) in rows {
            row(&mut group, name, make(shape));
        }
        group.finish();
    }
}
