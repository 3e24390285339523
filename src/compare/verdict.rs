//! `Verdict`: the answer to "is v2 right?", with its reasons.

use std::fmt;

use super::{Accept, Counts, RouteCounts, judge};

/// The answer to "is v2 right?".
///
/// Its [`Display`](fmt::Display) is one line for people; [`as_str`](Self::as_str) is one word for tools.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Verdict, judge};
///
/// let verdict = judge(&[], &Accept::default());
/// assert!(matches!(verdict, Verdict::Inconclusive { missing: Some(3_644), .. }));
/// assert_eq!(verdict.as_str(), "inconclusive");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Each route is proven to be worse by less than the tolerated excess.
    Pass,
    /// At least one route is proven to be worse by more than the tolerated excess.
    Fail(Vec<Reason>),
    /// Neither is proven yet.
    #[non_exhaustive]
    Inconclusive {
        /// How many more requests the slowest route needs for PASS if it goes on as before. `None`: more requests of this kind do not
        /// lead to PASS.
        missing: Option<u64>,
        /// What is missing.
        why: Why,
    },
}

impl Verdict {
    /// `pass`, `fail` or `inconclusive`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }

    /// Whether it is [`Verdict::Pass`].
    #[must_use]
    pub const fn is_pass(&self) -> bool {
        matches!(self, Self::Pass)
    }

    /// Whether it is [`Verdict::Fail`].
    #[must_use]
    pub const fn is_fail(&self) -> bool {
        matches!(self, Self::Fail(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("PASS"),
            Self::Fail(reasons) => {
                f.write_str("FAIL")?;
                for (at, reason) in reasons.iter().enumerate() {
                    write!(f, "{} {reason}", if at == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
            Self::Inconclusive { missing, why } => {
                write!(f, "INCONCLUSIVE: {why}")?;
                match missing {
                    Some(missing) => write!(f, "; {missing} more requests are needed"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The path of the reason that is about latency.
pub(super) const SLOW: &str = ":slow";

/// Where the shadow is worse: one route, or one path of it.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Counts, RouteCounts, Tally, Verdict, judge};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// let tally = Tally::from_blocks([Counts::paired(100, 5, 0)?; 20]);
/// let rows = [RouteCounts::new("GET /items", tally)];
/// if let Verdict::Fail(reasons) = judge(&rows, &Accept::default()) {
///     assert_eq!(reasons[0].route, "GET /items");
///     assert!(reasons[0].is_proven);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reason {
    /// The label of the route.
    pub route: String,
    /// The path and the kind of difference, or `:slow` and the quantile. `None`: the answers as a whole.
    pub path: Option<(String, String)>,
    /// The requests of this path.
    pub counts: Counts,
    /// Its evidence in nats, before the weights.
    pub ln_e: f64,
    /// Whether this part is proven by itself. Otherwise it is one of the parts that are proven together, a suspect.
    pub is_proven: bool,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.route)?;
        if let Some((path, kind)) = &self.path {
            write!(f, " {path} {kind}")?;
        }
        let is_slow = self.path.as_ref().is_some_and(|(path, _)| path == SLOW);
        let verb = if is_slow { "is slow" } else { "differs" };
        let counts = &self.counts;
        write!(
            f,
            " {verb} only in the shadow in {} and only in the baseline in {} of {} requests",
            counts.shadow_only(),
            counts.baseline_only(),
            counts.compared()
        )?;
        if self.is_proven {
            Ok(())
        } else {
            f.write_str(" (suspected)")
        }
    }
}

/// Why a verdict is not decided.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Verdict, Why, judge};
///
/// let verdict = judge(&[], &Accept::default());
/// assert!(matches!(verdict, Verdict::Inconclusive { why: Why::NoData, .. }));
/// assert_eq!(Why::NoData.to_string(), "no request was compared");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// No request was compared.
    NoData,
    /// On this route nothing of the bodies could be judged: all of it is masked or differs in v1 too.
    #[non_exhaustive]
    NothingJudged {
        /// The label of the route.
        route: String,
    },
    /// The latency is to be judged, and this route has no counts of it.
    #[non_exhaustive]
    NoLatency {
        /// The label of the route.
        route: String,
    },
    /// The evidence is not sufficient for PASS or FAIL, and on this route most is missing.
    #[non_exhaustive]
    NotEnough {
        /// The label of the route.
        route: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData => f.write_str("no request was compared"),
            Self::NothingJudged { route } => {
                write!(f, "nothing is left to judge in the bodies of {route}")
            }
            Self::NoLatency { route } => write!(f, "the latency of {route} was not measured"),
            Self::NotEnough { route } => write!(f, "the evidence on {route} is not sufficient"),
        }
    }
}

/// Keeps the first FAIL until it is reset.
///
/// The error rate is the probability that FAIL *ever* appears, so a FAIL that later looks better remains a FAIL. PASS is not kept:
/// a shadow may become worse.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Accept, Counts, RouteCounts, Tally, VerdictLatch};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// let row = |block| RouteCounts::new("GET /", Tally::from_blocks([block; 20]));
/// let bad = [row(Counts::paired(100, 5, 0)?)];
/// let good = [row(Counts::paired(1_000, 0, 0)?)];
///
/// let mut latch = VerdictLatch::new();
/// assert!(latch.look(&bad, &Accept::default()).is_fail());
/// assert!(latch.look(&good, &Accept::default()).is_fail());
/// latch.reset();
/// assert!(latch.look(&good, &Accept::default()).is_pass());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct VerdictLatch {
    failed: Option<Verdict>,
}

impl VerdictLatch {
    /// Nothing has failed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// [`judge`]s the rows, unless they failed before.
    pub fn look(&mut self, rows: &[RouteCounts], accept: &Accept) -> Verdict {
        if let Some(failed) = &self.failed {
            return failed.clone();
        }
        let verdict = judge(rows, accept);
        if verdict.is_fail() {
            self.failed = Some(verdict.clone());
        }
        verdict
    }

    /// Forgets the FAIL, for a new version of the shadow whose counts start at 0.
    pub fn reset(&mut self) {
        self.failed = None;
    }
}
