//! `SplitStats`: a snapshot of the configured and the observed shares.

use std::{fmt, sync::Arc};

use super::state::SplitState;

/// A snapshot of a split, with the configured and the observed share of each subset. Its `Display`
/// is a table. With the feature `serde` it implements `Serialize`, as an object with these fields.
///
/// # Example
///
/// ```
/// use tower_mirror::{HttpTarget, WeightedSplit};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let split = WeightedSplit::builder("catalog")
///     .subset("v1", 95, HttpTarget::new("http://127.0.0.1:9001")?)
///     .subset("v2", 5, HttpTarget::new("http://127.0.0.1:9002")?)
///     .build()?;
/// let stats = split.handle().stats();
/// let canary = stats.subset("v2").unwrap();
/// assert_eq!((canary.configured, canary.observed, canary.served()), (0.05, 0.0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SplitStats {
    /// The split's name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_str"))]
    pub name: Arc<str>,
    /// The generation of the weights in force.
    pub generation: u64,
    /// The subsets, in the order in which they were declared.
    pub subsets: Vec<SubsetStats>,
    /// Requests that were refused because all weights were zero.
    pub no_weight: u64,
    /// Requests that were refused because their subset was not ready in time and had no fallback.
    pub not_ready: u64,
    /// Trusted requests that named a subset that does not exist. They were served by key or weight.
    pub unknown_forced: u64,
    /// Panics of keys and of trust predicates. They were caught, and the requests were served by
    /// weight.
    pub policy_panics: u64,
}

/// The counts and shares of one subset. See [`SplitStats`] for a further example.
///
/// # Example
///
/// ```
/// use tower_mirror::split::SubsetStats;
///
/// /// Whether the observed share is more than one percentage point away from the configured one.
/// fn is_off(subset: &SubsetStats) -> bool {
///     (subset.observed - subset.configured).abs() > 0.01
/// }
/// # let _ = is_off;
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SubsetStats {
    /// The subset's name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_str"))]
    pub name: Arc<str>,
    /// The weight in force.
    pub weight: u32,
    /// The share by weight, from 0 to 1.
    pub configured: f64,
    /// The subset's share of all requests that were served by key or by weight, from 0 to 1. It is
    /// counted since the split was built, or since an [earlier snapshot](SplitStats::since). Forced
    /// and moved requests do not count.
    pub observed: f64,
    /// Requests that named the subset.
    pub forced: u64,
    /// Requests for which the subset was chosen by their key.
    pub keyed: u64,
    /// Requests for which the subset was chosen by weight.
    pub weighted: u64,
    /// Requests that were moved to this subset because another subset was not ready.
    pub fallback: u64,
    /// Requests for which the subset was not ready. They were moved, were refused, or failed with
    /// the subset's error.
    pub unready: u64,
}

impl SubsetStats {
    /// Requests that the subset was called with, for any reason.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.forced + self.keyed + self.weighted + self.fallback
    }
}

impl SplitStats {
    pub(super) fn of(shared: &SplitState) -> Self {
        let weights = shared.weights.load();
        let mut subsets: Vec<SubsetStats> = shared
            .subsets
            .iter()
            .enumerate()
            .map(|(at, subset)| {
                let [forced, keyed, weighted, fallback, unready] = shared.counters.of_subset(at);
                SubsetStats {
                    name: Arc::clone(&subset.name),
                    weight: weights.values[at],
                    configured: weights.share(at),
                    observed: 0.0,
                    forced,
                    keyed,
                    weighted,
                    fallback,
                    unready,
                }
            })
            .collect();
        observe(&mut subsets);
        let [no_weight, not_ready, unknown_forced, policy_panics] = shared.counters.of_split();
        Self {
            name: Arc::clone(&shared.name),
            generation: weights.generation,
            subsets,
            no_weight,
            not_ready,
            unknown_forced,
            policy_panics,
        }
    }

    /// Returns the changes since an earlier snapshot of the same split. Counts are differences, and
    /// `observed` is the share between the two snapshots. The weights are those of the later
    /// snapshot.
    #[must_use]
    pub fn since(&self, earlier: &SplitStats) -> SplitStats {
        let mut since = self.clone();
        for (subset, was) in since.subsets.iter_mut().zip(&earlier.subsets) {
            subset.forced -= was.forced.min(subset.forced);
            subset.keyed -= was.keyed.min(subset.keyed);
            subset.weighted -= was.weighted.min(subset.weighted);
            subset.fallback -= was.fallback.min(subset.fallback);
            subset.unready -= was.unready.min(subset.unready);
        }
        since.no_weight -= earlier.no_weight.min(since.no_weight);
        since.not_ready -= earlier.not_ready.min(since.not_ready);
        since.unknown_forced -= earlier.unknown_forced.min(since.unknown_forced);
        since.policy_panics -= earlier.policy_panics.min(since.policy_panics);
        observe(&mut since.subsets);
        since
    }

    /// The subset with this name.
    #[must_use]
    pub fn subset(&self, name: &str) -> Option<&SubsetStats> {
        self.subsets.iter().find(|subset| &*subset.name == name)
    }
}

#[cfg(feature = "serde")]
fn as_str<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn observe(subsets: &mut [SubsetStats]) {
    let chosen = |subset: &SubsetStats| subset.keyed + subset.weighted;
    let all: u64 = subsets.iter().map(chosen).sum();
    for subset in subsets {
        subset.observed = match all {
            0 => 0.0,
            all => chosen(subset) as f64 / all as f64,
        };
    }
}

impl fmt::Display for SplitStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12}{:>10}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "subset",
            "weight",
            "configured",
            "observed",
            "weighted",
            "keyed",
            "forced",
            "fallback",
            "unready"
        )?;
        for subset in &self.subsets {
            writeln!(
                f,
                "{:<12}{:>10}{:>11.1}%{:>9.1}%{:>10}{:>10}{:>10}{:>10}{:>10}",
                subset.name,
                subset.weight,
                subset.configured * 100.0,
                subset.observed * 100.0,
                subset.weighted,
                subset.keyed,
                subset.forced,
                subset.fallback,
                subset.unready
            )?;
        }
        let rest = [
            (self.no_weight, "refused: all weights were zero"),
            (
                self.not_ready,
                "refused: not ready in time, and no fallback",
            ),
            (
                self.unknown_forced,
                "forced to a subset that does not exist; served by key or weight",
            ),
            (
                self.policy_panics,
                "panics in a key or trust predicate; served by weight",
            ),
        ];
        for (count, what) in rest.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "{count:>12}  {what}")?;
        }
        Ok(())
    }
}
