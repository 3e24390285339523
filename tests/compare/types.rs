//! What the public types of the evidence promise the compiler.

use std::fmt::Debug;

use tower_mirror::compare::{
    Accept, BlockCounter, Confidence, Counts, Finding, Interval, InvalidAccept, InvalidCounts,
    LatencyHistogram, LatencyLimit, LatencyTest, NoiseMask, PathCounts, Quantile, Reason,
    RouteCounts, RouteEvidence, Tally, Verdict, VerdictLatch, Why,
};

fn cloned<T: Clone + Send + Sync + Unpin + Debug + 'static>() {}
fn copied<T: Copy + PartialEq + Send + Sync + Unpin + Debug + 'static>() {}
fn error<T: std::error::Error + Copy + Send + Sync + 'static>() {}

#[test]
fn every_type_crosses_threads() {
    copied::<Accept>();
    copied::<Confidence>();
    copied::<Counts>();
    copied::<Finding>();
    copied::<Interval>();
    copied::<LatencyLimit>();
    copied::<Quantile>();
    copied::<RouteEvidence>();
    copied::<Tally>();
    cloned::<BlockCounter>();
    cloned::<LatencyHistogram>();
    cloned::<LatencyTest>();
    cloned::<NoiseMask<u64>>();
    cloned::<PathCounts>();
    cloned::<Reason>();
    cloned::<RouteCounts>();
    cloned::<Verdict>();
    cloned::<VerdictLatch>();
    cloned::<Why>();
    error::<InvalidAccept>();
    error::<InvalidCounts>();
}
