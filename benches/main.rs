//! `cargo bench --bench main`: times. The first row of each group is its baseline, and only ratios within a
//! group are meaningful.

mod summary;
mod times;

use std::time::{Duration, SystemTime};

use criterion::Criterion;

fn main() {
    let started = SystemTime::now();
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    for topic in times::TOPICS {
        topic(&mut criterion);
    }
    criterion.final_summary();
    summary::print(started);
}
