//! The test of the latency: logarithmic buckets, a running quantile of the baseline, and the same coin as for differences.

use std::{fmt, time::Duration};

use super::{Finding, InvalidAccept, LatencyLimit};

/// A quantile of a distribution, from 0.5 to 0.999.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::Quantile;
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidAccept> {
/// assert_eq!(Quantile::new(0.99)?, Quantile::P99);
/// assert_eq!(Quantile::new(0.75)?.to_string(), "p75");
/// assert!(Quantile::new(99.0).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Quantile(f64);

impl Quantile {
    /// The median.
    pub const P50: Self = Self(0.5);
    /// 9 of 10 values are at most this.
    pub const P90: Self = Self(0.9);
    /// 95 of 100 values are at most this.
    pub const P95: Self = Self(0.95);
    /// 99 of 100 values are at most this.
    pub const P99: Self = Self(0.99);

    /// A share from 0.5 to 0.999.
    ///
    /// # Errors
    ///
    /// [`InvalidAccept::Quantile`] for any other number.
    pub fn new(quantile: f64) -> Result<Self, InvalidAccept> {
        if (0.5..=0.999).contains(&quantile) {
            Ok(Self(quantile))
        } else {
            Err(InvalidAccept::Quantile { given: quantile })
        }
    }

    /// The share, for example 0.99.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 0.999 * 100 is not a round number in binary.
        let percent = (self.0 * 1e6).round() / 1e4;
        write!(f, "p{percent}")
    }
}

const BUCKETS: usize = 512;
/// Each bucket is wider than the one before it by a twentieth of a factor of 2, which is 3.5 %.
const BUCKETS_PER_DOUBLING: f64 = 20.0;

/// A distribution of latencies in 512 logarithmic buckets, each 3.5 % wide, from 1 µs to 49 s. It takes 2 KiB.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_mirror::compare::{LatencyHistogram, Quantile};
///
/// let mut histogram = LatencyHistogram::new();
/// assert_eq!(histogram.quantile(Quantile::P50), None);
/// for millis in 1..=100 {
///     histogram.record(Duration::from_millis(millis));
/// }
/// let p99 = histogram.quantile(Quantile::P99).unwrap_or_default();
/// assert!((99..=103).contains(&p99.as_millis()));
/// ```
#[derive(Clone)]
pub struct LatencyHistogram {
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
}

impl LatencyHistogram {
    /// An empty distribution.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            count: 0,
        }
    }

    /// Adds a latency. Below 1 µs counts as 1 µs, and above 49 s as 49 s.
    pub fn record(&mut self, latency: Duration) {
        let micros = latency.as_secs_f64() * 1e6;
        // A float that is negative becomes 0, and one that is too large the largest number.
        let bucket = (micros.log2() * BUCKETS_PER_DOUBLING) as usize;
        let bucket = &mut self.buckets[bucket.min(BUCKETS - 1)];
        if let Some(more) = bucket.checked_add(1) {
            *bucket = more;
            self.count += 1;
        }
    }

    /// How many latencies were recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The upper end of the bucket in which the quantile lies. `None` without any latency.
    #[must_use]
    pub fn quantile(&self, quantile: Quantile) -> Option<Duration> {
        let rank = (self.count as f64 * quantile.get()).ceil() as u64;
        let mut seen = 0;
        let reaches = |count: &u32| {
            seen += u64::from(*count);
            seen >= rank && seen > 0
        };
        let bucket = self.buckets.iter().position(reaches)?;
        let micros = ((bucket as f64 + 1.0) / BUCKETS_PER_DOUBLING).exp2();
        Some(Duration::from_secs_f64(micros / 1e6))
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Turns pairs of latencies into [`Finding`]s.
///
/// With the running quantile t of the *baseline*, the shadow is slow if it takes longer than `ratio` * t, and the baseline is slow if
/// it takes longer than t. If every latency of the shadow is `ratio` times one of the baseline, both are slow equally often, so this is
/// again the toss of a coin, whatever the load does. t is computed from earlier pairs only, once in 200 pairs. For this reason
/// the choice of t cannot favour a side.
///
/// The latency of the primary is not used: its path and the start of its clock differ from those of a copy.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_mirror::compare::{Finding, LatencyLimit, LatencyTest, Quantile};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidAccept> {
/// let mut test = LatencyTest::new(LatencyLimit::new(Quantile::P50, 1.25)?);
/// let ms = Duration::from_millis;
/// // The first 200 pairs only teach the quantile.
/// for _ in 0..200 {
///     assert_eq!(test.record(ms(10), ms(10)), None);
/// }
/// assert_eq!(test.record(ms(12), ms(10)), Some(Finding::Equal));
/// assert_eq!(test.record(ms(14), ms(10)), Some(Finding::ShadowOnly));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LatencyTest {
    limit: LatencyLimit,
    baseline: LatencyHistogram,
    threshold: Option<Duration>,
    slow_in_baseline: u64,
}

/// A quantile with fewer values above it is too uncertain: a threshold that is too high would compare nothing.
/// A little less than ten, since 1 - 0.99 is not exact.
const FEWEST_ABOVE: f64 = 10.0 - 1e-6;

impl LatencyTest {
    /// The quantile is computed anew after so many pairs.
    pub const PERIOD: u64 = 200;

    /// A test that has seen no pair.
    #[must_use]
    pub fn new(limit: LatencyLimit) -> Self {
        Self {
            limit,
            baseline: LatencyHistogram::new(),
            threshold: None,
            slow_in_baseline: 0,
        }
    }

    /// Records the latencies of one request. The first [`PERIOD`](Self::PERIOD) pairs give `None` and do not count,
    /// and as many more as are needed for ten latencies of the baseline above the quantile: 1000 pairs for p99.
    pub fn record(&mut self, shadow: Duration, baseline: Duration) -> Option<Finding> {
        let finding = self.threshold.map(|threshold| {
            let tolerated = threshold.as_secs_f64() * self.limit.ratio();
            let is_slow = baseline > threshold;
            self.slow_in_baseline += u64::from(is_slow);
            Finding::of(shadow.as_secs_f64() > tolerated, is_slow)
        });
        self.baseline.record(baseline);
        let count = self.baseline.count();
        let above = count as f64 * (1.0 - self.limit.quantile().get());
        if count % Self::PERIOD == 0 && above >= FEWEST_ABOVE {
            self.threshold = self.baseline.quantile(self.limit.quantile());
        }
        finding
    }

    /// In how many of the counted pairs the baseline was slow, for [`RouteCounts::latency`](super::RouteCounts::latency).
    #[must_use]
    pub const fn slow_in_baseline(&self) -> u64 {
        self.slow_in_baseline
    }

    /// The baseline's running quantile, which is the limit for the next pair.
    #[must_use]
    pub const fn threshold(&self) -> Option<Duration> {
        self.threshold
    }
}
