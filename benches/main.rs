//! `cargo bench`: each group holds its own baseline, and only ratios within a group mean anything.

mod passthrough;

criterion::criterion_main!(passthrough::group);
