//! Users that are moved step by step.

use std::time::Duration;
use tower_mirror::{SplitHandle, split::InvalidWeights};

/// `is_well` is your own check: the error rate and latency of v2, by `ServedBy` or by `response_header`.
async fn promote(
    split: &SplitHandle,
    watch: Duration,
    is_well: impl Fn() -> bool,
) -> Result<bool, InvalidWeights> {
    for v2 in [1, 5, 25, 50, 100] {
        let weights = [("v1", 100 - v2), ("v2", v2)];
        println!(
            "{:.1} % of users will move",
            split.preview(weights)?.moved * 100.0
        );
        let before = split.stats();
        split.set_weights(weights)?;
        tokio::time::sleep(watch).await;
        println!("{}", split.stats().since(&before));
        if !is_well() {
            split.set_weights([("v1", 100), ("v2", 0)])?;
            return Ok(false);
        }
    }
    Ok(true)
}

mod tests {
    use std::time::Duration;

    use tower_mirror::WeightedSplit;

    use super::promote;

    #[tokio::test(start_paused = true)]
    async fn a_v2_that_is_not_well_loses_its_users() {
        let split = WeightedSplit::builder("catalog");
        let split = split
            .subset("v1", 100, ())
            .subset("v2", 0, ())
            .build()
            .unwrap();
        let handle = split.handle();
        let minute = Duration::from_secs(60);
        assert!(promote(&handle, minute, || true).await.unwrap());
        assert_eq!(handle.weights().weights[1].1, 100);
        assert!(!promote(&handle, minute, || false).await.unwrap());
        assert_eq!(handle.weights().weights[1].1, 0);
    }
}
