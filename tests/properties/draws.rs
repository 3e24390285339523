//! Draws: sequences, and the evenness of even draws with any seed.

use http::Request;
use proptest::prelude::*;
use tower_mirror::{Draw, RequestHead, SampleRate};

use crate::config;

fn points(draw: &Draw, many: usize) -> Vec<u64> {
    let request = Request::new(String::new());
    let head = RequestHead::of(&request);
    (0..many).map(|_| draw.point(&head)).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sequence_goes_round_and_its_clones_share_the_turn(given in any::<[u64; 5]>(), turns in prop::collection::vec(1..9_usize, 1..6)) {
        let draw = Draw::sequence(given);
        let mut expected = given.into_iter().cycle();
        for many in turns {
            let found = points(&draw.clone(), many);
            prop_assert_eq!(found, expected.by_ref().take(many).collect::<Vec<_>>());
        }
    }

    /// As the documentation of a split says, the count is within 8 of its share, for every seed,
    /// rate and window.
    #[test]
    fn any_window_of_an_even_draw_holds_its_share(seed in any::<u64>(), parts in 0..=1_000_000_u32, skipped in 0..5000_usize, window in 1..3000_usize) {
        let draw = Draw::even_seeded(seed);
        let rate = SampleRate::per_million(parts).unwrap();
        points(&draw, skipped);
        let taken = points(&draw, window).into_iter().filter(|&point| rate.takes(point)).count();
        let share = window as f64 * f64::from(parts) / 1e6;
        prop_assert!((taken as f64 - share).abs() <= 8.0, "{taken} of {window} at {rate}");
    }
}
