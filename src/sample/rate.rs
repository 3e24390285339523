//! `SampleRate`: a share of requests, in parts per million.

use std::{error::Error, fmt};

const MILLION: u32 = 1_000_000;

/// The share of requests to take, exact to one in a million.
///
/// # Example
///
/// ```
/// use tower_mirror::sample::{InvalidRate, SampleRate};
///
/// # fn main() -> Result<(), InvalidRate> {
/// assert_eq!(SampleRate::percent(12.5)?, SampleRate::per_million(125_000)?);
/// assert_eq!(SampleRate::percent(12.5)?, SampleRate::fraction(1, 8)?);
/// assert_eq!(SampleRate::percent(0.0)?, SampleRate::NONE);
/// assert!(SampleRate::percent(100.1).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate {
    per_million: u32,
}

impl SampleRate {
    /// No request at all.
    pub const NONE: Self = Self { per_million: 0 };
    /// Every request.
    pub const ALL: Self = Self {
        per_million: MILLION,
    };

    /// A share in per cent, from 0 to 100, rounded to the nearest millionth.
    ///
    /// # Errors
    ///
    /// [`InvalidRate::NotANumber`], [`InvalidRate::OutOfRange`], or
    /// [`InvalidRate::TooFine`] where rounding would turn some into none or
    /// most into all.
    pub fn percent(percent: f64) -> Result<Self, InvalidRate> {
        if percent.is_nan() {
            return Err(InvalidRate::NotANumber);
        }
        if !(0.0..=100.0).contains(&percent) {
            return Err(InvalidRate::OutOfRange {
                given: format!("{percent} %"),
            });
        }
        // In range, so the cast is exact.
        let per_million = (percent * 10_000.0).round() as u32;
        let exact_end = percent == 0.0 || percent == 100.0;
        Self::rounded(per_million, exact_end, || format!("{percent} %"))
    }

    /// A share in parts per million, from 0 to 1 000 000.
    ///
    /// # Errors
    ///
    /// [`InvalidRate::OutOfRange`] above 1 000 000.
    pub fn per_million(parts: u32) -> Result<Self, InvalidRate> {
        if parts > MILLION {
            return Err(InvalidRate::OutOfRange {
                given: format!("{parts} per million"),
            });
        }
        Ok(Self { per_million: parts })
    }

    /// `numerator` requests of every `denominator`, rounded to the nearest
    /// millionth.
    ///
    /// # Errors
    ///
    /// [`InvalidRate::ZeroDenominator`], [`InvalidRate::OutOfRange`] where the
    /// numerator is the larger, or [`InvalidRate::TooFine`] where rounding would
    /// turn some into none or most into all.
    pub fn fraction(numerator: u32, denominator: u32) -> Result<Self, InvalidRate> {
        if denominator == 0 {
            return Err(InvalidRate::ZeroDenominator { numerator });
        }
        let given = || format!("{numerator}/{denominator}");
        if numerator > denominator {
            return Err(InvalidRate::OutOfRange { given: given() });
        }
        let (numerator, denominator) = (u64::from(numerator), u64::from(denominator));
        let scaled = (numerator * u64::from(MILLION) + denominator / 2) / denominator;
        let exact_end = numerator == 0 || numerator == denominator;
        // At most a million, since the numerator is at most the denominator.
        Self::rounded(scaled as u32, exact_end, given)
    }

    fn rounded(
        per_million: u32,
        exact_end: bool,
        given: impl FnOnce() -> String,
    ) -> Result<Self, InvalidRate> {
        if !exact_end && (per_million == 0 || per_million == MILLION) {
            return Err(InvalidRate::TooFine { given: given() });
        }
        Ok(Self { per_million })
    }

    /// The share in parts per million.
    #[must_use]
    pub const fn as_per_million(self) -> u32 {
        self.per_million
    }

    /// The share in per cent.
    #[must_use]
    pub fn as_percent(self) -> f64 {
        f64::from(self.per_million) / 10_000.0
    }

    /// Whether a point of the circle, a fraction of 2^64 as [`Draw::point`]
    /// gives it, falls within this share. Larger shares contain smaller ones.
    ///
    /// [`Draw::point`]: super::Draw::point
    #[must_use]
    pub const fn takes(self, point: u64) -> bool {
        // floor(point * 10^6 / 2^64) is 0 to 999 999, which makes both ends exact.
        (((point as u128) * (MILLION as u128)) >> 64) < self.per_million as u128
    }

    /// From a value that [`as_per_million`](Self::as_per_million) gave.
    pub(crate) const fn from_stored(per_million: u32) -> Self {
        Self { per_million }
    }
}

impl Default for SampleRate {
    /// [`SampleRate::ALL`].
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.as_percent())
    }
}

/// Why a number is not a [`SampleRate`].
///
/// # Example
///
/// ```
/// use tower_mirror::sample::{InvalidRate, SampleRate};
///
/// let error = SampleRate::percent(101.0).unwrap_err();
/// assert!(matches!(error, InvalidRate::OutOfRange { .. }));
/// assert_eq!(error.to_string(), "a sample rate must be from 0 to 100 %, not 101 %");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRate {
    /// The number is NaN.
    NotANumber,
    /// The share is below none or above all.
    #[non_exhaustive]
    OutOfRange {
        /// The share as it was given.
        given: String,
    },
    /// The share lies within half a millionth of none or of all, without being it.
    #[non_exhaustive]
    TooFine {
        /// The share as it was given.
        given: String,
    },
    /// A fraction of nothing.
    #[non_exhaustive]
    ZeroDenominator {
        /// The numerator that was given with it.
        numerator: u32,
    },
}

impl fmt::Display for InvalidRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("a sample rate must be a number, not NaN"),
            Self::OutOfRange { given } => {
                write!(f, "a sample rate must be from 0 to 100 %, not {given}")
            }
            Self::TooFine { given } => write!(
                f,
                "a sample rate is counted in millionths, and {given} would round to none or all"
            ),
            Self::ZeroDenominator { numerator } => {
                write!(f, "a sample rate of {numerator}/0 has no value")
            }
        }
    }
}

impl Error for InvalidRate {}
