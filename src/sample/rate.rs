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

    /// Creates a rate from a share in per cent, from 0 to 100. It is rounded to the nearest
    /// millionth.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidRate::NotANumber`], with [`InvalidRate::OutOfRange`], or with
    /// [`InvalidRate::TooFine`] if rounding would change a share to none or all of the requests.
    pub fn percent(percent: f64) -> Result<Self, InvalidRate> {
        if percent.is_nan() {
            return Err(InvalidRate::NotANumber);
        }
        if !(0.0..=100.0).contains(&percent) {
            return Err(InvalidRate::OutOfRange {
                given: format!("{percent} %"),
            });
        }
        // The value is in range, so the cast is exact.
        let per_million = (percent * 10_000.0).round() as u32;
        let exact_end = percent == 0.0 || percent == 100.0;
        Self::rounded(per_million, exact_end, || format!("{percent} %"))
    }

    /// Creates a rate from a share in parts per million, from 0 to 1 000 000.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidRate::OutOfRange`] above 1 000 000.
    pub fn per_million(parts: u32) -> Result<Self, InvalidRate> {
        if parts > MILLION {
            return Err(InvalidRate::OutOfRange {
                given: format!("{parts} per million"),
            });
        }
        Ok(Self { per_million: parts })
    }

    /// Creates a rate of `numerator` requests of every `denominator` requests. It is rounded to the
    /// nearest millionth.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidRate::ZeroDenominator`], with [`InvalidRate::OutOfRange`] if the
    /// numerator is the larger number, or with [`InvalidRate::TooFine`] if rounding would change a
    /// share to none or all of the requests.
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
        // The value is at most a million, because the numerator is at most the denominator.
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

    /// Returns the share in parts per million.
    #[must_use]
    pub const fn as_per_million(self) -> u32 {
        self.per_million
    }

    /// Returns the share in per cent.
    #[must_use]
    pub fn as_percent(self) -> f64 {
        f64::from(self.per_million) / 10_000.0
    }

    /// Returns whether a point, a fraction of 2^64 that [`Draw::point`] returns, is within this
    /// share. A larger share contains every smaller one.
    ///
    /// [`Draw::point`]: super::Draw::point
    #[must_use]
    pub const fn takes(self, point: u64) -> bool {
        // The value of floor(point * 10^6 / 2^64) is from 0 to 999 999, so that 0 % and 100 % are
        // exact.
        (((point as u128) * (MILLION as u128)) >> 64) < self.per_million as u128
    }

    /// Creates a rate from a value that [`as_per_million`](Self::as_per_million) has returned.
    pub(crate) const fn from_stored(per_million: u32) -> Self {
        Self { per_million }
    }
}

impl Default for SampleRate {
    /// Returns [`SampleRate::ALL`].
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
    /// The share is less than 0 % or greater than 100 %.
    #[non_exhaustive]
    OutOfRange {
        /// The share that was passed.
        given: String,
    },
    /// The share is not 0 % or 100 %, but is within half a millionth of one of them.
    #[non_exhaustive]
    TooFine {
        /// The share that was passed.
        given: String,
    },
    /// The denominator of the fraction is zero.
    #[non_exhaustive]
    ZeroDenominator {
        /// The numerator of the fraction.
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
                "a sample rate has a resolution of one millionth, and {given} would be rounded to 0 % or 100 %"
            ),
            Self::ZeroDenominator { numerator } => {
                write!(
                    f,
                    "a sample rate needs a denominator that is not zero, not {numerator}/0"
                )
            }
        }
    }
}

impl Error for InvalidRate {}
