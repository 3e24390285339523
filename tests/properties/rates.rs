//! Rates, compared with arithmetic in whole numbers.

use proptest::{num::f64, prelude::*};
use tower_mirror::{SampleRate, sample::InvalidRate};

use crate::config;

const MILLION: u32 = 1_000_000;
/// The number of bits after the point of a share.
const BITS: i32 = 60;

/// Returns a share in millionths, truncated at the last bit. `percent` is from 0 to 100.
fn millionths(percent: f64) -> u128 {
    let bits = percent.to_bits();
    let exponent = (bits >> 52) as i32;
    let (mantissa, exponent) = match exponent {
        0 => (bits << 1, -1075),
        _ => ((bits & ((1 << 52) - 1)) | (1 << 52), exponent - 1075),
    };
    let scaled = u128::from(mantissa) * 10_000;
    match exponent + BITS {
        left @ 0.. => scaled << left,
        right => scaled.checked_shr(right.unsigned_abs()).unwrap_or(0),
    }
}

fn percent() -> impl Strategy<Value = f64> {
    let near = |at: f64| {
        (-3_i64..=3).prop_map(move |step| f64::from_bits((at.to_bits() as i64 + step) as u64))
    };
    prop_oneof![
        4 => 0.0..=100.0_f64,
        2 => (0..=MILLION).prop_map(|parts| f64::from(parts) / 10_000.0),
        2 => (0..=2 * MILLION).prop_map(|halves| f64::from(halves) / 20_000.0),
        2 => 0.0..0.0002_f64,
        1 => 99.9998..100.0_f64,
        1 => near(100.0),
        1 => near(0.000_05),
        1 => near(99.999_95),
        1 => f64::ANY,
        1 => Just(-0.0),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_number_is_the_nearest_share_or_an_error(percent in percent()) {
        let made = SampleRate::percent(percent);
        if percent.is_nan() {
            prop_assert_eq!(made, Err(InvalidRate::NotANumber));
        } else if !(0.0..=100.0).contains(&percent) {
            prop_assert!(matches!(made, Err(InvalidRate::OutOfRange { .. })), "{made:?}");
        } else {
            let exact = millionths(percent.abs());
            let one = 1_u128 << BITS;
            // This is a small tolerance, because a product of floating point numbers is rounded.
            let hair = one >> 20;
            let half = one / 2 + hair;
            match made {
                Ok(rate) => {
                    let off = (u128::from(rate.as_per_million()) << BITS).abs_diff(exact);
                    prop_assert!(off <= half, "{percent} {rate:?}");
                    prop_assert_eq!(rate == SampleRate::NONE, percent == 0.0);
                    prop_assert_eq!(rate == SampleRate::ALL, percent == 100.0);
                }
                Err(InvalidRate::TooFine { .. }) => {
                    let from_ends = exact.min((u128::from(MILLION) << BITS) - exact);
                    prop_assert!(from_ends <= half && percent != 0.0 && percent != 100.0);
                }
                Err(error) => prop_assert!(false, "{percent}: {error}"),
            }
        }
    }

    #[test]
    fn any_fraction_is_the_nearest_share_or_an_error(
        numerator in prop_oneof![any::<u32>(), 0..20_u32],
        denominator in prop_oneof![any::<u32>(), 0..20_u32, Just(2 * MILLION)],
    ) {
        let made = SampleRate::fraction(numerator, denominator);
        if denominator == 0 {
            let is_right = matches!(made, Err(InvalidRate::ZeroDenominator { numerator: n, .. }) if n == numerator);
            prop_assert!(is_right, "{:?}", made);
        } else if numerator > denominator {
            prop_assert!(matches!(made, Err(InvalidRate::OutOfRange { .. })), "{made:?}");
        } else {
            let (wanted, of) = (u128::from(numerator) * u128::from(MILLION), u128::from(denominator));
            let off = |parts: u32| 2 * (u128::from(parts) * of).abs_diff(wanted);
            let is_end = numerator == 0 || numerator == denominator;
            match made {
                Ok(rate) => {
                    prop_assert!(off(rate.as_per_million()) <= of);
                    prop_assert_eq!(rate == SampleRate::NONE || rate == SampleRate::ALL, is_end);
                }
                Err(InvalidRate::TooFine { .. }) => {
                    prop_assert!(!is_end && (off(0) <= of || off(MILLION) <= of));
                }
                Err(error) => prop_assert!(false, "{numerator}/{denominator}: {error}"),
            }
        }
    }

    #[test]
    fn parts_are_what_they_are_and_percents_lead_back(parts in prop_oneof![any::<u32>(), 0..=MILLION + 2]) {
        match SampleRate::per_million(parts) {
            Ok(rate) => {
                prop_assert!(parts <= MILLION);
                prop_assert_eq!(rate.as_per_million(), parts);
                prop_assert_eq!(SampleRate::percent(rate.as_percent()), Ok(rate));
                let shown = rate.to_string();
                prop_assert_eq!(shown.strip_suffix(" %").and_then(|it| it.parse().ok()), Some(rate.as_percent()));
            }
            Err(error) => {
                let is_right = matches!(error, InvalidRate::OutOfRange { .. });
                prop_assert!(is_right && parts > MILLION);
            }
        }
    }

    /// The points that a share selects are all points below one number.
    #[test]
    fn a_share_takes_the_points_below_its_end(parts in 0..=MILLION, point in any::<u64>(), step in -2_i64..=2) {
        let rate = SampleRate::per_million(parts).unwrap();
        let end = (u128::from(parts) << 64).div_ceil(u128::from(MILLION));
        let near = (end as u64).wrapping_add_signed(step);
        for point in [point, near, 0, u64::MAX] {
            prop_assert_eq!(rate.takes(point), u128::from(point) < end, "{} {}", parts, point);
        }
    }
}
