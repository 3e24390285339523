//! Bodies of all sizes, copied in every way, compared with the service that reads them without a copy.

use criterion::Criterion;

use super::row;
use tower_mirror_testing::cases::{Shaped, body::Shape, copies};

pub(super) fn bench(criterion: &mut Criterion) {
    let shapes = [
        Shape::EMPTY,
        Shape::SMALL,
        Shape::new(1, 64 << 10),
        Shape::new(8, 8 << 10),
        Shape::new(1, 1 << 20),
        Shape::MEBIBYTE,
    ];
    let rows: [Shaped; 4] = [
        ("bare service", copies::bare),
        ("Buffered", copies::buffered),
        ("Streaming", copies::streaming),
        ("behind RequestBodyBufferLayer", copies::behind_a_buffer),
    ];
    for shape in shapes {
        let mut group = criterion.benchmark_group(format!("buffer, {shape}"));
        for (name, make) in rows {
            row(&mut group, name, make(shape));
        }
        group.finish();
    }
}
