//! `Counts`: how many requests were compared, and in how many only one side differed.

use std::{error::Error, fmt};

use super::{Confidence, Interval, evidence};

/// The three integers of one test: the compared requests, and those in which exactly one side differed from the primary.
///
/// With a baseline the counts are [`paired`](Self::paired): the shadow and the baseline answered the same requests. Without
/// one they are [`alone`](Self::alone), and every difference is a difference of the shadow.
///
/// The counts of several replicas may be added. The order of the requests does not matter for any result.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Confidence, Counts};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// // Only the shadow differed in 252 of 12 010 requests, and only the baseline in 3.
/// let counts = Counts::paired(12_010, 252, 3)?;
/// assert_eq!(format!("{:.9}", counts.ln_e_above(0.001)), "90.965739867");
/// let interval = counts.interval(Confidence::default());
/// assert_eq!(format!("{:.3} .. {:.3}", interval.low(), interval.high()), "0.016 .. 0.026");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counts {
    compared: u64,
    shadow_only: u64,
    baseline_only: u64,
    has_baseline: bool,
}

impl Counts {
    /// No request yet, with a baseline.
    pub const ZERO: Self = Self::unchecked(0, 0, 0, true);

    /// Of `compared` requests only the shadow differed in `shadow_only`, and only the baseline in `baseline_only`. In the
    /// rest both differed or neither did.
    ///
    /// # Errors
    ///
    /// [`InvalidCounts`] where the two parts add up to more than `compared`.
    pub const fn paired(
        compared: u64,
        shadow_only: u64,
        baseline_only: u64,
    ) -> Result<Self, InvalidCounts> {
        match shadow_only.checked_add(baseline_only) {
            Some(parts) if parts <= compared => {
                Ok(Self::unchecked(compared, shadow_only, baseline_only, true))
            }
            _ => Err(InvalidCounts::Parts {
                compared,
                shadow_only,
                baseline_only,
            }),
        }
    }

    /// Of `compared` requests the shadow differed in `differed`, and there was no baseline.
    ///
    /// # Errors
    ///
    /// [`InvalidCounts`] where `differed` is more than `compared`.
    pub const fn alone(compared: u64, differed: u64) -> Result<Self, InvalidCounts> {
        match Self::paired(compared, differed, 0) {
            Ok(_) => Ok(Self::unchecked(compared, differed, 0, false)),
            Err(error) => Err(error),
        }
    }

    /// The caller guarantees that the parts are within the whole.
    pub(super) const fn unchecked(n: u64, s: u64, f: u64, has_baseline: bool) -> Self {
        Self {
            compared: n,
            shadow_only: s,
            baseline_only: f,
            has_baseline,
        }
    }

    /// All compared requests.
    #[must_use]
    pub const fn compared(&self) -> u64 {
        self.compared
    }

    /// The requests in which only the shadow differed.
    #[must_use]
    pub const fn shadow_only(&self) -> u64 {
        self.shadow_only
    }

    /// The requests in which only the baseline differed. It is 0 without a baseline.
    #[must_use]
    pub const fn baseline_only(&self) -> u64 {
        self.baseline_only
    }

    /// Whether a baseline answered the same requests.
    #[must_use]
    pub const fn has_baseline(&self) -> bool {
        self.has_baseline
    }

    /// The share of requests by which the shadow differed more often than the baseline, from -1 to 1. It is 0 without
    /// requests.
    #[must_use]
    pub fn excess(&self) -> f64 {
        if self.compared == 0 {
            return 0.0;
        }
        (self.shadow_only as f64 - self.baseline_only as f64) / self.compared as f64
    }

    /// The natural logarithm of the evidence that the true excess is *above* `tolerated`.
    ///
    /// With X = 1 for a request in which only the shadow differs, X = -1 where only the baseline does, and X = 0 otherwise, the
    /// evidence is what a gambler owns who began with 1 and staked a fixed part of it on each request:
    ///
    /// ```text
    /// E = sum over k of w_k * product over requests of (1 + b_k * (X - tolerated))
    /// b_k = 2^-k / (1 + tolerated)    k = 0 .. 11    w_0 = 1/2, other w_k = 1/22
    /// ```
    ///
    /// If the excess is at most `tolerated`, the expected value of E never grows. Ville's inequality then says: the
    /// probability that E *ever* reaches 1 / alpha is at most alpha. For this reason one may look after each request and
    /// stop at any time.
    ///
    /// `tolerated` is a share. Values outside of -0.999 to 0.999 are read as the nearer end. NaN gives 0, which is no evidence.
    /// Without a baseline b_k is 2^-k / `tolerated`; a `tolerated` of 0 is then refuted by one difference, and the result is
    /// infinite.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_mirror::compare::Counts;
    /// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
    /// // Six tosses of the coin, and each time only the shadow differed: more than ln(20) = 2.996.
    /// assert!(Counts::paired(6, 6, 0)?.ln_e_above(0.0) > 20f64.ln());
    /// assert!(Counts::paired(5, 5, 0)?.ln_e_above(0.0) < 20f64.ln());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ln_e_above(&self, tolerated: f64) -> f64 {
        evidence::ln_e_above(self, tolerated)
    }

    /// The natural logarithm of the evidence that the true excess is *below* `tolerated`.
    ///
    /// The same game as [`ln_e_above`](Self::ln_e_above) with the stakes on the other side:
    /// 1 - b_k * (X - `tolerated`) with b_k = 2^-k / (1 - `tolerated`).
    #[must_use]
    pub fn ln_e_below(&self, tolerated: f64) -> f64 {
        evidence::ln_e_below(self, tolerated)
    }

    /// The excess with its bounds, which hold for all looks together.
    ///
    /// The interval contains every tolerated excess that neither test refutes at (1 - confidence) / 2.
    /// It takes 120 evaluations of the evidence, so it is for reports and not for each request.
    #[must_use]
    pub fn interval(&self, confidence: Confidence) -> Interval {
        Interval::of(self, confidence)
    }

    /// How many requests are missing until [`ln_e_below`](Self::ln_e_below) proves an excess below `tolerated`, if the
    /// differences go on at the same rate. 0: it is proven. `None`: it is never proven at this rate.
    ///
    /// Without differences it is about ln(2 / alpha) / `tolerated`: 3 644 requests for 0.1 % at a confidence of 95 %.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_mirror::compare::{Confidence, Counts};
    /// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
    /// let counts = Counts::paired(961, 0, 0)?;
    /// assert_eq!(counts.missing(0.001, Confidence::default()), Some(2_683));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn missing(&self, tolerated: f64, confidence: Confidence) -> Option<u64> {
        evidence::missing(self, tolerated, confidence.ln_level())
    }
}

impl Default for Counts {
    /// [`Counts::ZERO`].
    fn default() -> Self {
        Self::ZERO
    }
}

/// Why numbers are not [`Counts`] or a [`Tally`](super::Tally).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCounts {
    /// The parts add up to more than the whole.
    #[non_exhaustive]
    Parts {
        /// All compared requests or blocks.
        compared: u64,
        /// Those of the shadow.
        shadow_only: u64,
        /// Those of the baseline.
        baseline_only: u64,
    },
    /// The capped count of the baseline is more than its count.
    #[non_exhaustive]
    Capped {
        /// The capped count.
        capped: u64,
        /// The requests in which only the baseline differed.
        baseline_only: u64,
    },
    /// There are more blocks than requests.
    #[non_exhaustive]
    Blocks {
        /// The blocks.
        blocks: u64,
        /// The requests.
        requests: u64,
    },
}

impl fmt::Display for InvalidCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts {
                compared,
                shadow_only,
                baseline_only,
            } => write!(
                f,
                "the counts of the shadow ({shadow_only}) and of the baseline ({baseline_only}) must not add up to \
                 more than all compared ({compared})"
            ),
            Self::Capped {
                capped,
                baseline_only,
            } => write!(
                f,
                "the capped count of the baseline ({capped}) must not be more than its count ({baseline_only})"
            ),
            Self::Blocks { blocks, requests } => write!(
                f,
                "there must not be more blocks ({blocks}) than requests ({requests}), because a block has at least one"
            ),
        }
    }
}

impl Error for InvalidCounts {}
