//! Learned masks: which paths they hide, from when on, and what they never hide.

use tower_mirror::compare::{Finding, NoiseMask};

const NONE: &[u32] = &[];

#[test]
fn a_path_that_is_noisy_in_the_baseline_is_masked_for_later_requests() {
    let mut mask = NoiseMask::new();
    for _ in 0..3 {
        assert!(!mask.is_masked(&7));
        assert_eq!(mask.judge(NONE, &[7]), Finding::BaselineOnly);
    }
    assert!(mask.is_masked(&7));
    assert_eq!(mask.masked().collect::<Vec<_>>(), [(&7, 3)]);
    // It is hidden on both sides.
    assert_eq!(mask.judge(NONE, &[7]), Finding::Equal);
    assert_eq!(mask.judge(&[7], NONE), Finding::Equal);
    assert_eq!(mask.judge(&[7, 8], &[7]), Finding::ShadowOnly);
}

#[test]
fn a_difference_of_the_shadow_never_makes_a_mask() {
    let mut mask = NoiseMask::new();
    for _ in 0..10_000 {
        assert_eq!(mask.judge(&[7], NONE), Finding::ShadowOnly);
    }
    assert_eq!(mask.masked().count(), 0);
}

#[test]
fn three_differences_in_less_than_two_per_cent_of_the_requests_are_not_enough() {
    for (quiet, is_masked) in [(147, true), (148, false)] {
        let mut mask = NoiseMask::new();
        for _ in 0..quiet {
            assert_eq!(mask.judge(NONE, NONE), Finding::Equal);
        }
        for _ in 0..3 {
            assert_eq!(mask.judge(NONE, &[7]), Finding::BaselineOnly);
        }
        // 3 of 150 are 2 %; 3 of 151 are less.
        assert_eq!(mask.is_masked(&7), is_masked, "{quiet}");
    }
}

#[test]
fn the_table_of_paths_is_bounded() {
    let mut mask = NoiseMask::new();
    let paths: Vec<u32> = (0..1_000).collect();
    for _ in 0..5 {
        mask.judge(NONE, &paths);
    }
    assert_eq!(mask.masked().count(), 200);
    // What is beyond the bound is not hidden.
    assert_eq!(mask.judge(&[999], NONE), Finding::ShadowOnly);
}

#[test]
fn debug_shows_no_path() {
    let mut mask = NoiseMask::new();
    for _ in 0..3 {
        mask.judge(&[], &["/canary"]);
    }
    assert_eq!(
        format!("{mask:?}"),
        "NoiseMask { compared: 3, masked: 1, .. }"
    );
}
