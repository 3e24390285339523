//! `cargo bench`: each group holds its own baseline, and only ratios within a group mean anything.

mod passthrough;
mod split;
mod support;

criterion::criterion_main!(passthrough::group, split::group);
