//! `Interval`: the excess so far, with bounds that hold at every look.

use std::fmt;

use super::{Confidence, Counts, evidence};

/// The excess of the shadow with its bounds. The bounds hold for all looks together with the given confidence.
///
/// [`Counts::interval`] makes it. This is a *confidence sequence*: a longer run narrows the interval, and the probability that it
/// ever excludes the true excess is at most 1 - confidence. Its [`Display`](fmt::Display) is in per cent.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Confidence, Counts};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// let interval = Counts::paired(12_010, 252, 3)?.interval(Confidence::default());
/// assert_eq!(interval.to_string(), "+2.07 % (1.63 .. 2.59)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    excess: f64,
    low: f64,
    high: f64,
}

/// The bisection ends where a float has no more digits.
const HALVINGS: u32 = 60;
const ALMOST_ONE: f64 = 0.999;
/// Without a baseline an excess below 0 is not possible.
const ALMOST_ZERO: f64 = 1e-9;

impl Interval {
    pub(super) fn of(counts: &Counts, confidence: Confidence) -> Self {
        let has_baseline = counts.has_baseline();
        if counts.compared() == 0 {
            let low = if has_baseline { -1.0 } else { 0.0 };
            return Self {
                excess: 0.0,
                low,
                high: 1.0,
            };
        }
        let excess = counts.excess();
        let level = confidence.ln_level() + std::f64::consts::LN_2;
        let bound = |far: f64, ln_e: fn(&Counts, f64) -> f64| {
            if ln_e(counts, far) < level {
                return far.round();
            }
            let (mut outside, mut inside) = (far, excess.clamp(-ALMOST_ONE, ALMOST_ONE));
            for _ in 0..HALVINGS {
                let middle = (outside + inside) / 2.0;
                if ln_e(counts, middle) >= level {
                    outside = middle;
                } else {
                    inside = middle;
                }
            }
            outside
        };
        let lowest = if has_baseline {
            -ALMOST_ONE
        } else {
            ALMOST_ZERO
        };
        Self {
            excess,
            low: bound(lowest, evidence::ln_e_above),
            high: bound(ALMOST_ONE, evidence::ln_e_below),
        }
    }

    /// The measured excess, as [`Counts::excess`] gives it.
    #[must_use]
    pub const fn excess(&self) -> f64 {
        self.excess
    }

    /// The lower bound, a share from -1 to 1.
    #[must_use]
    pub const fn low(&self) -> f64 {
        self.low
    }

    /// The upper bound, a share from -1 to 1.
    #[must_use]
    pub const fn high(&self) -> f64 {
        self.high
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| share * 100.0;
        write!(
            f,
            "{:+.2} % ({:.2} .. {:.2})",
            percent(self.excess),
            percent(self.low),
            percent(self.high)
        )
    }
}
