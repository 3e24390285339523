//! `Weights`: one table of weights. A table is never changed, only replaced.

use super::rendezvous;

#[derive(Debug)]
pub(super) struct Weights {
    pub(super) generation: u64,
    /// The weights, in the order of the subsets.
    pub(super) values: Box<[u32]>,
    /// The sum of the weights. It cannot overflow, because each weight has 32 bits.
    total: u64,
}

impl Weights {
    pub(super) fn new(generation: u64, values: Box<[u32]>) -> Self {
        let total = values.iter().map(|weight| u64::from(*weight)).sum();
        Self {
            generation,
            values,
            total,
        }
    }

    /// Returns the subset whose interval of the circle contains the point, or `None` if all weights
    /// are zero.
    pub(super) fn by_point(&self, point: u64) -> Option<usize> {
        // The point is scaled to a number below the total. A remainder would choose other subsets
        // for most points after each change of the total.
        let mut left = ((u128::from(point) * u128::from(self.total)) >> 64) as u64;
        self.values.iter().position(|&weight| {
            let weight = u64::from(weight);
            let is_here = left < weight;
            left = left.saturating_sub(weight);
            is_here
        })
    }

    /// Returns the subset that is chosen for a key, or `None` if all weights are zero.
    pub(super) fn by_key(&self, key: u64, names: &[u64]) -> Option<usize> {
        rendezvous::pick(key, names, &self.values)
    }

    /// Returns a subset's share of the requests that are neither forced nor moved, from 0 to 1.
    pub(super) fn share(&self, subset: usize) -> f64 {
        match self.total {
            0 => 0.0,
            total => f64::from(self.values[subset]) / total as f64,
        }
    }
}
