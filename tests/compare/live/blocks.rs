//! The length of the blocks of time that FAIL needs.

use std::time::Duration;

use tower_mirror::{
    MirrorLayer,
    compare::{Accept, BlockCounter, Compare, CompareError},
};

use super::rig::{App, Rig};

const V1: &str = r#"{"items": [1, 2]}"#;
const V2: &str = r#"{"items": [1, 2], "image": "x.png"}"#;

fn v1() -> App {
    App::constant(V1)
}

/// The number of seconds until FAIL, with ten requests in each.
async fn seconds_until_fail(block: Duration) -> u64 {
    let compare = Compare::with_baseline(v1()).accept(Accept::excess(0.05).unwrap());
    let rig = Rig::new(compare.block(block), v1(), App::constant(V2));
    for second in 1.. {
        rig.ask_many(10).await;
        rig.settled().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        if rig.handle.verdict().is_fail() {
            return second;
        }
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn a_block_has_the_length_that_is_set() {
    let blocks = seconds_until_fail(Duration::from_secs(1)).await;
    assert!((7..=9).contains(&blocks), "{blocks}");
    let usual = seconds_until_fail(BlockCounter::BLOCK).await;
    assert_eq!(usual, 10 * blocks);
}

#[test]
fn a_length_out_of_range_is_named() {
    let hour = Duration::from_secs(3_600);
    for (length, is_valid) in [
        (Duration::ZERO, false),
        (Duration::from_micros(999), false),
        (Duration::from_millis(1), true),
        (hour, true),
        (hour + Duration::from_nanos(1), false),
    ] {
        let compare = Compare::with_baseline(v1()).block(length);
        match compare.layer(MirrorLayer::builder(v1())) {
            Ok(_) => assert!(is_valid, "{length:?}"),
            Err(error) => {
                assert!(!is_valid, "{length:?}: {error}");
                let expected = format!("a block must last from 1 ms to one hour, not {length:?}");
                assert_eq!(error.to_string(), expected);
                assert!(matches!(error, CompareError::Block { given, .. } if given == length));
            }
        }
    }
}
