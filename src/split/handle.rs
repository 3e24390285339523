//! The `SplitHandle`, which controls and reads a split while it runs.

use std::sync::Arc;

use super::{
    error::InvalidWeights, rendezvous, state::SplitState, stats::SplitStats, weights::Weights,
};

/// Controls and reads one split, with all its clones and routes.
/// [`WeightedSplit::handle`](super::WeightedSplit::handle) and
/// [`WeightedSplitLayer::handle`](super::WeightedSplitLayer::handle) create it. Clones of a handle
/// control the same split.
///
/// # Example
///
/// ```
/// use tower_mirror::{HttpTarget, WeightedSplit, split::InvalidWeights};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let split = WeightedSplit::builder("catalog")
///     .subset("v1", 95, HttpTarget::new("http://127.0.0.1:9001")?)
///     .subset("v2", 5, HttpTarget::new("http://127.0.0.1:9002")?)
///     .build()?;
/// let handle = split.handle();
///
/// // A tenth of the users is then on v2, and no user moves from v2 back to v1.
/// let preview = handle.preview([("v1", 90), ("v2", 10)])?;
/// assert!((0.045..0.055).contains(&preview.moved));
///
/// let table = handle.weights();
/// assert_eq!(handle.set_weights_if(table.generation, [("v1", 90), ("v2", 10)])?, 1);
/// let conflict = handle.set_weights_if(table.generation, [("v1", 50), ("v2", 50)]);
/// assert!(matches!(conflict, Err(InvalidWeights::Conflict { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SplitHandle {
    shared: Arc<SplitState>,
}

/// The weights in force at one moment. With the feature `serde` it implements `Serialize`, as an
/// object with `generation` and `weights`. `weights` is an object with one field for each subset.
/// See [`SplitHandle`] for a further example.
///
/// # Example
///
/// ```
/// use tower_mirror::WeightedSplit;
///
/// let split = WeightedSplit::builder("catalog").subset("v1", 9, ()).subset("v2", 1, ()).build().unwrap();
/// let table = split.handle().weights();
/// assert_eq!(table.generation, 0);
/// assert_eq!(table.weights[1], ("v2".into(), 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WeightTable {
    /// The number of changes since the split was built.
    pub generation: u64,
    /// Names and weights, in the order in which the subsets were declared.
    #[cfg_attr(feature = "serde", serde(serialize_with = "by_name"))]
    pub weights: Vec<(Arc<str>, u32)>,
}

#[cfg(feature = "serde")]
fn by_name<S: serde::Serializer>(
    weights: &[(Arc<str>, u32)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(weights.iter().map(|(name, weight)| (&**name, weight)))
}

/// The effect that a change of weights would have. See [`SplitHandle`] for a further example.
///
/// # Example
///
/// ```
/// use tower_mirror::WeightedSplit;
///
/// let split = WeightedSplit::builder("catalog").subset("v1", 9, ()).subset("v2", 1, ()).build().unwrap();
/// let preview = split.handle().preview([("v1", 1), ("v2", 1)]).unwrap();
/// let (name, now, then) = &preview.shares[1];
/// assert_eq!(&**name, "v2");
/// assert!((0.09..0.11).contains(now) && (0.49..0.51).contains(then));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preview {
    /// The share of keyed users who would move, from 0 to 1.
    pub moved: f64,
    /// For each subset its name, its share of keyed users now, and its share after the change, from
    /// 0 to 1.
    pub shares: Vec<(Arc<str>, f64, f64)>,
}

impl SplitHandle {
    pub(super) fn new(shared: Arc<SplitState>) -> Self {
        Self { shared }
    }

    /// The split's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Changes the weights of these subsets, either all of them or none. Other subsets keep their
    /// weight. The change takes effect with the next request. Returns the new generation.
    ///
    /// Weights are relative: `[("v1", 9), ("v2", 1)]` is 90/10. A subset with the weight 0 is not
    /// chosen by weight or key, but still by a force or a fallback. All weights may be zero: then
    /// only a force chooses a subset, and all other requests are refused. The state of the draw is
    /// not reset.
    ///
    /// # Errors
    ///
    /// [`InvalidWeights`] if a name is unknown or given twice. No weight is changed then.
    pub fn set_weights<N: AsRef<str>>(
        &self,
        weights: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<u64, InvalidWeights> {
        self.shared.change(None, weights)
    }

    /// Changes one weight, and returns the new generation. The weight 0 drains the subset.
    ///
    /// # Errors
    ///
    /// [`InvalidWeights::Unknown`] if no subset has this name.
    pub fn set_weight(&self, name: &str, weight: u32) -> Result<u64, InvalidWeights> {
        self.set_weights([(name, weight)])
    }

    /// Like [`set_weights`](Self::set_weights), but only if the weights are still those of
    /// `generation`, so that two controllers cannot undo each other's changes without notice.
    ///
    /// # Errors
    ///
    /// [`InvalidWeights::Conflict`] if the weights have another generation, and the errors of
    /// `set_weights`.
    pub fn set_weights_if<N: AsRef<str>>(
        &self,
        generation: u64,
        weights: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<u64, InvalidWeights> {
        self.shared.change(Some(generation), weights)
    }

    /// The weights in force.
    #[must_use]
    pub fn weights(&self) -> WeightTable {
        let weights = self.shared.weights.load();
        let names = self
            .shared
            .subsets
            .iter()
            .map(|subset| Arc::clone(&subset.name));
        WeightTable {
            generation: weights.generation,
            weights: names.zip(weights.values.iter().copied()).collect(),
        }
    }

    /// Computes the effect that [`set_weights`](Self::set_weights) with these weights would have on
    /// users whose subset is chosen by a key. The result is measured with 65 536 fixed keys. It
    /// changes nothing, and takes some milliseconds.
    ///
    /// # Errors
    ///
    /// The errors are those of `set_weights`.
    pub fn preview<N: AsRef<str>>(
        &self,
        weights: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<Preview, InvalidWeights> {
        const USERS: u32 = 1 << 16;
        let now = self.shared.weights.load();
        let then = Weights::new(now.generation, self.shared.changed(&now, weights)?);
        let mut counts = vec![(0_u32, 0_u32); self.shared.subsets.len()];
        let mut moved = 0_u32;
        for user in 0..USERS {
            let key = rendezvous::name_hash(&user.to_string());
            let was = now.by_key(key, &self.shared.names);
            let will_be = then.by_key(key, &self.shared.names);
            moved += u32::from(was != will_be);
            if let Some(subset) = was {
                counts[subset].0 += 1;
            }
            if let Some(subset) = will_be {
                counts[subset].1 += 1;
            }
        }
        let share = |count: u32| f64::from(count) / f64::from(USERS);
        let names = self
            .shared
            .subsets
            .iter()
            .map(|subset| Arc::clone(&subset.name));
        Ok(Preview {
            moved: share(moved),
            shares: names
                .zip(counts)
                .map(|(name, (was, will_be))| (name, share(was), share(will_be)))
                .collect(),
        })
    }

    /// A snapshot of the configured and the observed shares, by reason.
    #[must_use]
    pub fn stats(&self) -> SplitStats {
        SplitStats::of(&self.shared)
    }
}
