//! M7: rates and draws. Keys and filters are in `keys.rs`.

use std::collections::HashMap;

use http::Request;
use tower::{Layer, Service};
use tower_mirror::{
    Draw, MirrorLayer, Outcome, RequestHead, SampleRate,
    sample::InvalidRate::{self, NotANumber, OutOfRange, TooFine, ZeroDenominator},
};
use tower_mirror_testing::*;

fn percent(percent: f64) -> SampleRate {
    SampleRate::percent(percent).expect("a valid rate")
}

/// Returns for each of the next `count` requests whether it is selected.
fn taken(draw: &Draw, rate: SampleRate, count: usize) -> Vec<bool> {
    let request = Request::new(String::new());
    let head = RequestHead::of(&request);
    (0..count).map(|_| rate.takes(draw.point(&head))).collect()
}

fn count(taken: &[bool]) -> usize {
    taken.iter().filter(|taken| **taken).count()
}

#[test]
fn rates_are_exact_to_a_millionth() {
    let cases = [
        (SampleRate::percent(0.0), 0),
        (SampleRate::percent(-0.0), 0),
        (SampleRate::percent(100.0), 1_000_000),
        (SampleRate::percent(12.5), 125_000),
        (SampleRate::percent(0.0001), 1),
        (SampleRate::percent(99.9999), 999_999),
        (SampleRate::percent(33.333_333), 333_333),
        (SampleRate::per_million(1), 1),
        (SampleRate::per_million(1_000_000), 1_000_000),
        (SampleRate::fraction(1, 3), 333_333),
        (SampleRate::fraction(2, 3), 666_667),
        (SampleRate::fraction(1, 2_000_000), 1),
        (SampleRate::fraction(0, 7), 0),
        (SampleRate::fraction(u32::MAX, u32::MAX), 1_000_000),
    ];
    for (rate, expected) in cases {
        assert_eq!(
            rate.as_ref().map(|rate| rate.as_per_million()),
            Ok(expected)
        );
    }
    assert_eq!(SampleRate::default(), SampleRate::ALL);
    assert_eq!(percent(12.5).to_string(), "12.5 %");
    assert_eq!(percent(12.5).as_percent(), 12.5);
}

#[test]
fn a_wrong_rate_is_an_error_that_names_it() {
    type Is = fn(&InvalidRate) -> bool;
    let nan: Is = |error| matches!(error, NotANumber);
    let out: Is = |error| matches!(error, OutOfRange { .. });
    let fine: Is = |error| matches!(error, TooFine { .. });
    let zero: Is = |error| matches!(error, ZeroDenominator { .. });
    let cases = [
        (SampleRate::percent(f64::NAN), nan, "NaN"),
        (SampleRate::percent(-1.0), out, "-1 %"),
        (SampleRate::percent(-1e-9), out, "-0.000000001 %"),
        (SampleRate::percent(101.0), out, "101 %"),
        (SampleRate::percent(100.000_001), out, "100.000001 %"),
        (SampleRate::percent(f64::INFINITY), out, "inf %"),
        (SampleRate::percent(f64::NEG_INFINITY), out, "-inf %"),
        (SampleRate::percent(0.000_01), fine, "0.00001 %"),
        (SampleRate::percent(99.999_99), fine, "99.99999 %"),
        (
            SampleRate::per_million(1_000_001),
            out,
            "1000001 per million",
        ),
        (SampleRate::fraction(3, 2), out, "3/2"),
        (SampleRate::fraction(1, 0), zero, "1/0"),
        (SampleRate::fraction(0, 0), zero, "0/0"),
        (SampleRate::fraction(1, 3_000_000), fine, "1/3000000"),
        (
            SampleRate::fraction(u32::MAX - 1, u32::MAX),
            fine,
            "4294967294/4294967295",
        ),
    ];
    for (rate, is_expected, named) in cases {
        let error = rate.unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn none_and_all_are_exact() {
    for draw in [
        Draw::even(),
        Draw::random(),
        Draw::sequence([0, u64::MAX, 1 << 63]),
    ] {
        assert_eq!(count(&taken(&draw, SampleRate::NONE, 10_000)), 0);
        assert_eq!(count(&taken(&draw, SampleRate::ALL, 10_000)), 10_000);
    }
    assert!(percent(0.0001).takes(0));
    assert!(!percent(99.9999).takes(u64::MAX));
    assert!(!percent(50.0).takes(1 << 63));
    assert!(percent(50.0).takes((1 << 63) - 1));
}

#[test]
fn every_prefix_is_within_five_of_its_share() {
    for seed in 0..30 {
        for rate in [0.1, 1.0, 5.0, 10.0, 12.5, 33.3, 50.0, 90.0] {
            let mut sum = 0.0;
            for (at, is_taken) in taken(&Draw::even_seeded(seed), percent(rate), 100_000)
                .into_iter()
                .enumerate()
            {
                sum += f64::from(u8::from(is_taken));
                let error = sum - (at + 1) as f64 * rate / 100.0;
                assert!(error.abs() <= 5.0, "seed {seed}, {rate} %: {error} at {at}");
            }
        }
    }
}

#[test]
fn every_window_holds_its_share() {
    for draw in (0..10).map(Draw::even_seeded).chain([Draw::even()]) {
        let ten_thousand = count(&taken(&draw, percent(12.5), 10_000));
        assert!(ten_thousand.abs_diff(1250) <= 6, "{ten_thousand}");
        let tenth = taken(&draw, percent(10.0), 20_000);
        for window in tenth.windows(100) {
            assert!((7..=13).contains(&count(window)), "{}", count(window));
        }
    }
}

#[test]
fn traffic_that_repeats_is_not_aliased() {
    const REQUESTS: usize = 100_000;
    for seed in 0..10 {
        let taken = taken(&Draw::even_seeded(seed), percent(10.0), REQUESTS);
        for period in 2..=20 {
            for kind in 0..period {
                let of_kind: Vec<_> = taken.iter().skip(kind).step_by(period).copied().collect();
                let share = 100.0 * count(&of_kind) as f64 / of_kind.len() as f64;
                assert!((share - 10.0).abs() <= 0.4, "period {period}: {share} %");
            }
        }
    }
}

#[test]
fn two_even_draws_meet_as_often_as_chance_would_have_it() {
    const REQUESTS: usize = 100_000;
    let draws: Vec<_> = (0..10)
        .map(|seed| taken(&Draw::even_seeded(seed), percent(10.0), REQUESTS))
        .collect();
    for (at, one) in draws.iter().enumerate() {
        for other in &draws[at + 1..] {
            let both = one
                .iter()
                .zip(other)
                .filter(|(one, other)| **one && **other);
            let ratio = both.count() as f64 / (REQUESTS as f64 / 100.0);
            assert!((0.83..=1.17).contains(&ratio), "{ratio}");
        }
    }
}

#[test]
fn even_draws_have_one_of_ten_steps() {
    // In a separate process, as in `even.rs`, ten draws would be sufficient. Here the draws of
    // other tests exist at the same time.
    let request = Request::new(String::new());
    let step = |draw: &Draw| {
        let head = RequestHead::of(&request);
        draw.point(&head)
            .wrapping_neg()
            .wrapping_add(draw.point(&head))
    };
    let seeded: HashMap<u64, u64> = (0..10)
        .map(|seed| (step(&Draw::even_seeded(seed)), seed))
        .collect();
    assert_eq!(seeded.len(), 10);
    let draws: Vec<_> = (0..100).map(|_| Draw::even()).collect();
    let drawn: Vec<_> = draws.iter().map(step).collect();
    assert!(drawn.iter().all(|step| seeded.contains_key(step)));
    let steps: std::collections::HashSet<_> = drawn.into_iter().collect();
    assert_eq!(steps.len(), 10);
}

#[test]
fn a_seed_decides_everything_and_clones_share_their_place() {
    let rate = percent(10.0);
    let (one, other) = (Draw::even_seeded(7), Draw::even_seeded(7));
    assert_eq!(taken(&one, rate, 1000), taken(&other, rate, 1000));

    let clone = one.clone();
    let alternating: Vec<_> = (0..500)
        .flat_map(|_| [taken(&one, rate, 1)[0], taken(&clone, rate, 1)[0]])
        .collect();
    assert_eq!(alternating, taken(&other, rate, 1000));
    assert_ne!(
        taken(&Draw::even_seeded(1), rate, 1000),
        taken(&Draw::even_seeded(11), rate, 1000),
        "the draws have the same step and another start"
    );
}

#[test]
fn random_draws_hold_the_share_and_are_independent() {
    // The limit is six standard deviations, which chance exceeds once in five hundred million runs.
    let draws = taken(&Draw::random(), percent(10.0), 100_000);
    assert!(count(&draws).abs_diff(10_000) <= 570, "{}", count(&draws));
    let twice = draws.windows(2).filter(|pair| pair[0] && pair[1]).count();
    assert!(twice.abs_diff(1000) <= 205, "{twice}");
}

#[test]
fn a_sequence_repeats_itself() {
    let draw = Draw::sequence([0, u64::MAX, 1 << 62]);
    let taken = taken(&draw, percent(50.0), 7);
    assert_eq!(taken, [true, false, true, true, false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_live_change_of_rate_goes_on_where_the_draw_is() {
    let rates = [10.0, 50.0, 1.0, 0.0, 100.0, 90.0];
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .sample_rate(percent(rates[0]))
        .draw(Draw::even_seeded(3))
        .build();
    let handle = mirror.handle();
    let mut service = mirror.layer(Primary::reading());
    let reference = Draw::even_seeded(3);
    let mut expected = 0;
    for rate in rates {
        let rate = percent(rate);
        handle.set_sample_rate(rate);
        assert_eq!(handle.sample_rate(), rate);
        for _ in 0..100 {
            service.call(get()).await.unwrap();
            tokio::task::yield_now().await;
        }
        expected += match rate {
            SampleRate::NONE => 0, // at 0 % and 100 % there is no draw
            SampleRate::ALL => 100,
            rate => count(&taken(&reference, rate, 100)),
        };
        let stats = handle.stats();
        assert_eq!(stats.admitted(), expected as u64, "{rate}");
    }
    let stats = settled(&handle, 600).await;
    assert_eq!(stats.outcome(Outcome::Completed), expected as u64);
}

#[tokio::test(start_paused = true)]
async fn all_routes_and_clones_draw_from_one_counter() {
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .sample_rate(percent(10.0))
        .max_in_flight(10_000)
        .build();
    let routes: Vec<_> = (0..7)
        .map(|_| mirror.clone().layer(Primary::reading()))
        .collect();
    for turn in 0..10_000 {
        let mut clone = routes[turn % 7].clone();
        clone.call(get()).await.unwrap();
    }
    let stats = settled(&mirror.handle(), 10_000).await;
    let completed = stats.outcome(Outcome::Completed);
    assert!(completed.abs_diff(1000) <= 5, "{stats}");
}
