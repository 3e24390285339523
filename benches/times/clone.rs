//! The copied head: copies without a body, with an increasing number of headers.

use criterion::Criterion;

use super::row;
use tower_mirror_testing::cases::{
    body::{Shape, request},
    copies,
};

pub(super) fn bench(criterion: &mut Criterion) {
    for headers in [4, 12, 40] {
        let mut group = criterion.benchmark_group(format!("clone, {headers} headers"));
        let of = move |shape| request(headers, shape);
        row(&mut group, "floor", copies::by_hand_of(Shape::EMPTY, of));
        let mirror = copies::mirrored(Shape::EMPTY, of, |mirror| mirror);
        row(&mut group, "mirror", mirror);
        group.finish();
    }
}
