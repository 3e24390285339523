//! The one state of a split, made in `build()` and shared by all its clones.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::{
    counters::SplitCounters, error::InvalidWeights, plan::Policy, rendezvous::name_hash,
    served::Reason, weights::Weights,
};
use crate::{head::RequestHead, sample::Drawn};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) subsets: Box<[Subset]>,
    /// The subsets' names, hashed, in their order.
    pub(super) names: Box<[u64]>,
    pub(super) policy: Policy,
    pub(super) counters: SplitCounters,
    pub(super) weights: ArcSwap<Weights>,
    /// Held by who changes the weights, never by who reads them.
    changing: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct Subset {
    pub(super) name: Arc<str>,
    pub(super) header: HeaderValue,
    pub(super) fallback: Option<usize>,
}

/// What was decided about one request.
#[derive(Debug)]
pub(super) struct Choice {
    /// `None`: all weights are zero.
    pub(super) subset: Option<usize>,
    pub(super) reason: Reason,
    pub(super) generation: u64,
}

impl Shared {
    pub(super) fn new(
        name: Arc<str>,
        subsets: Box<[Subset]>,
        weights: Box<[u32]>,
        policy: Policy,
    ) -> Self {
        Self {
            name,
            names: subsets
                .iter()
                .map(|subset| name_hash(&subset.name))
                .collect(),
            counters: SplitCounters::new(subsets.len()),
            subsets,
            policy,
            weights: ArcSwap::from_pointee(Weights::new(0, weights)),
            changing: Mutex::new(()),
        }
    }

    /// Force, then key, then weight.
    pub(super) fn choose(&self, head: &RequestHead<'_>) -> Choice {
        let weights = self.weights.load();
        let decide = || match self.forced(head) {
            Some(subset) => (Some(subset), Reason::Forced),
            None => match self.policy.draw.draw(head) {
                Drawn::Keyed(key) => (weights.of_key(key, &self.names), Reason::Keyed),
                Drawn::Unkeyed(point) => (weights.at(point), Reason::Weighted),
            },
        };
        let (subset, reason) = catch_unwind(AssertUnwindSafe(decide)).unwrap_or_else(|_| {
            self.counters.policy_panicked();
            (weights.at(fastrand::u64(..)), Reason::Weighted)
        });
        Choice {
            subset,
            reason,
            generation: weights.generation,
        }
    }

    fn forced(&self, head: &RequestHead<'_>) -> Option<usize> {
        let force = self.policy.force.as_ref()?;
        let name = force.name(head)?;
        let found = self
            .subsets
            .iter()
            .position(|subset| force.is(&name, &subset.name));
        if found.is_none() {
            self.counters.unknown_forced();
        }
        found
    }

    /// The weights with these changes.
    pub(super) fn changed<N: AsRef<str>>(
        &self,
        current: &Weights,
        changes: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<Box<[u32]>, InvalidWeights> {
        let mut of = current.of.clone();
        let mut is_given = vec![false; of.len()];
        for (name, weight) in changes {
            let name = name.as_ref();
            let subset = self.subsets.iter().position(|subset| &*subset.name == name);
            let Some(subset) = subset else {
                return Err(InvalidWeights::Unknown {
                    name: name.to_owned(),
                });
            };
            if std::mem::replace(&mut is_given[subset], true) {
                return Err(InvalidWeights::Duplicate {
                    name: name.to_owned(),
                });
            }
            of[subset] = weight;
        }
        Ok(of)
    }

    /// Makes all of the changes or none. `expected`: the generation they are meant for.
    pub(super) fn change<N: AsRef<str>>(
        &self,
        expected: Option<u64>,
        changes: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<u64, InvalidWeights> {
        // Before the lock, since the iterator is a user's.
        let changes: Vec<(N, u32)> = changes.into_iter().collect();
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.weights.load();
        if let Some(expected) = expected.filter(|expected| *expected != current.generation) {
            return Err(InvalidWeights::Conflict {
                expected,
                current: current.generation,
            });
        }
        let of = self.changed(&current, changes)?;
        let generation = current.generation + 1;
        self.weights.store(Arc::new(Weights::new(generation, of)));
        Ok(generation)
    }
}
