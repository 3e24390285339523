//! `Accept`: what may be worse in the shadow, and how sure the answer must be.

use std::{error::Error, fmt};

use super::Quantile;

/// The probability with which a verdict of FAIL or PASS holds, at all looks together. The default is 95 %.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::Confidence;
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidAccept> {
/// assert_eq!(Confidence::default(), Confidence::new(0.95)?);
/// assert!(Confidence::new(95.0).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence(f64);

impl Confidence {
    /// A probability of at least 0.5 and below 1.
    ///
    /// # Errors
    ///
    /// [`InvalidAccept::Confidence`] for any other number.
    pub fn new(confidence: f64) -> Result<Self, InvalidAccept> {
        if (0.5..1.0).contains(&confidence) {
            Ok(Self(confidence))
        } else {
            Err(InvalidAccept::Confidence { given: confidence })
        }
    }

    /// The probability, for example 0.95.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// ln(1 / alpha) with alpha = 1 - confidence: evidence of this size decides. It is 2.996 for 95 %.
    #[must_use]
    pub fn ln_level(self) -> f64 {
        -(1.0 - self.0).ln()
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self(0.95)
    }
}

/// How much slower the shadow may be than the baseline.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{LatencyLimit, Quantile};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidAccept> {
/// // 25 % slower at the 99th percentile.
/// let limit = LatencyLimit::new(Quantile::P99, 1.25)?;
/// assert_eq!(format!("{:.3}", limit.tolerated()), "0.005");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyLimit {
    quantile: Quantile,
    ratio: f64,
    excess: f64,
}

/// One tolerance of the latency test is half of what lies above the quantile, but never more than this.
const MOST_LATENCY_EXCESS: f64 = 0.1;

impl LatencyLimit {
    /// The shadow may exceed `ratio` times the baseline's `quantile` as often as the baseline exceeds the quantile.
    ///
    /// # Errors
    ///
    /// [`InvalidAccept::LatencyRatio`] for a ratio below 1 or above 1000.
    pub fn new(quantile: Quantile, ratio: f64) -> Result<Self, InvalidAccept> {
        if !(1.0..=1_000.0).contains(&ratio) {
            return Err(InvalidAccept::LatencyRatio { given: ratio });
        }
        let above = 1.0 - quantile.get();
        Ok(Self {
            quantile,
            ratio,
            excess: (above / 2.0).min(MOST_LATENCY_EXCESS),
        })
    }

    /// The quantile of the baseline's latency that is the limit.
    #[must_use]
    pub const fn quantile(&self) -> Quantile {
        self.quantile
    }

    /// The factor by which the shadow may be slower.
    #[must_use]
    pub const fn ratio(&self) -> f64 {
        self.ratio
    }

    /// The tolerated excess of slow requests: half of the share above the quantile, and at most 0.1. It is 0.005 for p99.
    #[must_use]
    pub const fn tolerated(&self) -> f64 {
        self.excess
    }
}

/// What is accepted from the shadow. The default is an excess of 0.1 % with a confidence of 95 %, whatever the latency.
///
/// The same tolerance decides in both directions: an excess that is proven to be above it is FAIL, and one that is proven to be
/// below it is PASS.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Quantile};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidAccept> {
/// let accept = Accept::excess(0.001)?.latency(Quantile::P99, 1.25)?.confidence(0.99)?;
/// assert_eq!(accept.tolerated(), 0.001);
/// assert!(Accept::excess(1.0).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accept {
    excess: f64,
    confidence: Confidence,
    latency: Option<LatencyLimit>,
}

impl Accept {
    /// The share of requests by which the shadow may differ more often than the baseline: at least 0 and below 1.
    ///
    /// With 0 a worse shadow fails sooner, but an equal one never passes. Without a baseline the tolerated excess must be above 0,
    /// because otherwise one difference of any cause is FAIL.
    ///
    /// # Errors
    ///
    /// [`InvalidAccept::Excess`] for any other number.
    pub fn excess(excess: f64) -> Result<Self, InvalidAccept> {
        if !(0.0..1.0).contains(&excess) {
            return Err(InvalidAccept::Excess { given: excess });
        }
        Ok(Self {
            excess,
            ..Self::default()
        })
    }

    /// Judges the latency too, by [`LatencyLimit::new`].
    ///
    /// # Errors
    ///
    /// [`InvalidAccept::LatencyRatio`] for a ratio below 1 or above 1000.
    pub fn latency(self, quantile: Quantile, ratio: f64) -> Result<Self, InvalidAccept> {
        Ok(Self {
            latency: Some(LatencyLimit::new(quantile, ratio)?),
            ..self
        })
    }

    /// The probability with which a verdict holds.
    ///
    /// # Errors
    ///
    /// [`InvalidAccept::Confidence`] unless it is at least 0.5 and below 1.
    pub fn confidence(self, confidence: f64) -> Result<Self, InvalidAccept> {
        Ok(Self {
            confidence: Confidence::new(confidence)?,
            ..self
        })
    }

    /// The tolerated excess, a share.
    #[must_use]
    pub const fn tolerated(&self) -> f64 {
        self.excess
    }

    /// The confidence of a verdict.
    #[must_use]
    pub const fn level(&self) -> Confidence {
        self.confidence
    }

    /// The limit of the latency, if it is judged.
    #[must_use]
    pub const fn latency_limit(&self) -> Option<LatencyLimit> {
        self.latency
    }
}

impl Default for Accept {
    fn default() -> Self {
        Self {
            excess: 0.001,
            confidence: Confidence::default(),
            latency: None,
        }
    }
}

/// Why a number cannot be accepted by [`Accept`], [`Confidence`] or [`Quantile`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum InvalidAccept {
    /// The tolerated excess is not a share.
    #[non_exhaustive]
    Excess {
        /// The number that was given.
        given: f64,
    },
    /// The confidence is not a probability of at least 0.5.
    #[non_exhaustive]
    Confidence {
        /// The number that was given.
        given: f64,
    },
    /// The ratio of the latencies is out of range.
    #[non_exhaustive]
    LatencyRatio {
        /// The number that was given.
        given: f64,
    },
    /// The quantile is out of range.
    #[non_exhaustive]
    Quantile {
        /// The number that was given.
        given: f64,
    },
}

impl fmt::Display for InvalidAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excess { given } => write!(
                f,
                "a tolerated excess must be a share of at least 0 and below 1, not {given}; 0.1 % is 0.001"
            ),
            Self::Confidence { given } => write!(
                f,
                "a confidence must be at least 0.5 and below 1, not {given}; 95 % is 0.95"
            ),
            Self::LatencyRatio { given } => write!(
                f,
                "a ratio of latencies must be from 1 to 1000, not {given}; 25 % slower is 1.25"
            ),
            Self::Quantile { given } => write!(
                f,
                "a quantile must be from 0.5 to 0.999, not {given}; p99 is 0.99"
            ),
        }
    }
}

impl Error for InvalidAccept {}
