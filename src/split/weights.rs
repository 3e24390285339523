//! One table of weights. A table is never changed, only replaced.

use super::rendezvous;

#[derive(Debug)]
pub(super) struct Weights {
    pub(super) generation: u64,
    /// In the order of the subsets.
    pub(super) values: Box<[u32]>,
    /// The sum. It cannot overflow, because the weights have 32 bits.
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

    /// The subset in whose interval of the circle a point falls; `None` where all weights are zero.
    pub(super) fn by_point(&self, point: u64) -> Option<usize> {
        // Below the total; multiplied, since a remainder would reshuffle everybody with each total.
        let mut left = ((u128::from(point) * u128::from(self.total)) >> 64) as u64;
        self.values.iter().position(|&weight| {
            let weight = u64::from(weight);
            let is_here = left < weight;
            left = left.saturating_sub(weight);
            is_here
        })
    }

    /// The subset that a key stays with; `None` where all weights are zero.
    pub(super) fn by_key(&self, key: u64, names: &[u64]) -> Option<usize> {
        rendezvous::pick(key, names, &self.values)
    }

    /// A subset's share of what is neither forced nor moved by a fallback, from 0 to 1.
    pub(super) fn share(&self, subset: usize) -> f64 {
        match self.total {
            0 => 0.0,
            total => f64::from(self.values[subset]) / total as f64,
        }
    }
}
