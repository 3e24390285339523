//! `SplitState`: the state that all clones of a split share. It is created once, when the split is
//! built.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};

use super::{
    counters::SplitCounters, error::InvalidWeights, force::Force, rendezvous::name_hash,
    served::Reason, weights::Weights,
};
use crate::{
    guard::{guarded, unpoisoned},
    request_head::RequestHead,
    sample::{Draw, Drawn},
};

/// The settings that are always valid.
#[derive(Debug)]
pub(super) struct SplitPolicy {
    pub(super) draw: Draw,
    pub(super) force: Option<Force>,
    pub(super) ready_timeout: Duration,
    pub(super) response_header: Option<HeaderName>,
    /// Whether a `ServedBy` is inserted into the extensions of requests and responses.
    pub(super) with_served_by: bool,
}

impl Default for SplitPolicy {
    fn default() -> Self {
        Self {
            draw: Draw::default(),
            force: None,
            ready_timeout: Duration::from_secs(1),
            response_header: None,
            with_served_by: true,
        }
    }
}

#[derive(Debug)]
pub(super) struct SplitState {
    pub(super) name: Arc<str>,
    pub(super) subsets: Box<[Subset]>,
    /// The hashes of the subsets' names, in the order of the subsets.
    pub(super) names: Box<[u64]>,
    pub(super) policy: SplitPolicy,
    pub(super) counters: SplitCounters,
    pub(super) weights: ArcSwap<Weights>,
    /// This lock is held while the weights are changed, but not while they are read.
    changing: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct Subset {
    pub(super) name: Arc<str>,
    pub(super) header: HeaderValue,
    pub(super) fallback: Option<usize>,
}

/// The decision on one request.
#[derive(Debug)]
pub(super) struct Choice {
    /// `None` means that all weights are zero.
    pub(super) subset: Option<usize>,
    pub(super) reason: Reason,
    pub(super) generation: u64,
}

impl SplitState {
    pub(super) fn new(
        name: Arc<str>,
        subsets: Box<[Subset]>,
        weights: Box<[u32]>,
        policy: SplitPolicy,
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

    /// Chooses a subset by force, else by key, else by weight.
    pub(super) fn choose(&self, head: &RequestHead<'_>) -> Choice {
        let weights = self.weights.load();
        let decide = || match self.forced(head) {
            Some(subset) => (Some(subset), Reason::Forced),
            None => match self.policy.draw.draw(head) {
                Drawn::Keyed(key) => (weights.by_key(key, &self.names), Reason::Keyed),
                Drawn::Unkeyed(point) => (weights.by_point(point), Reason::Weighted),
            },
        };
        let (subset, reason) = guarded(decide).unwrap_or_else(|| {
            self.counters.policy_panicked();
            (weights.by_point(fastrand::u64(..)), Reason::Weighted)
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

    /// Returns the weights after these changes.
    pub(super) fn changed<N: AsRef<str>>(
        &self,
        current: &Weights,
        changes: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<Box<[u32]>, InvalidWeights> {
        let mut weights = current.values.clone();
        let mut is_given = vec![false; weights.len()];
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
            weights[subset] = weight;
        }
        Ok(weights)
    }

    /// Makes all the changes or none. If `expected` is set, it must be the generation in force.
    pub(super) fn change<N: AsRef<str>>(
        &self,
        expected: Option<u64>,
        changes: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<u64, InvalidWeights> {
        // The changes are collected before the lock is taken, because the iterator is code of the
        // user.
        let changes: Vec<(N, u32)> = changes.into_iter().collect();
        let _changing = unpoisoned(self.changing.lock());
        let current = self.weights.load();
        if let Some(expected) = expected.filter(|expected| *expected != current.generation) {
            return Err(InvalidWeights::Conflict {
                expected,
                current: current.generation,
            });
        }
        let weights = self.changed(&current, changes)?;
        let generation = current.generation + 1;
        self.weights
            .store(Arc::new(Weights::new(generation, weights)));
        Ok(generation)
    }
}
