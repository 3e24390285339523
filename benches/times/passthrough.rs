//! The cost of a request that is not copied, compared with the bare service and with a layer that only
//! changes the type of the body.

use criterion::Criterion;

use super::row;
use tower_mirror_testing::cases::{Named, unsampled};

pub(super) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("passthrough");
    let rows: [Named; 7] = [
        ("identity layer", unsampled::identity),
        ("bare service", unsampled::bare),
        ("mirror at 0 %", unsampled::at_zero),
        ("mirror, even draw", unsampled::even),
        ("mirror, random draw", unsampled::random),
        ("mirror, keyed draw", unsampled::keyed),
        ("mirror, filtered", unsampled::filtered),
    ];
    for (name, make) in rows {
        row(&mut group, name, make());
    }
    group.finish();
}
