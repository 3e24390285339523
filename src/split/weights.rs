//! One table of weights: never changed, only replaced.

use super::rendezvous;

#[derive(Debug)]
pub(super) struct Weights {
    pub(super) generation: u64,
    /// In the order of the subsets.
    pub(super) of: Box<[u32]>,
    /// Of 32-bit weights, so that it cannot overflow.
    total: u64,
}

impl Weights {
    pub(super) fn new(generation: u64, of: Box<[u32]>) -> Self {
        let total = of.iter().map(|weight| u64::from(*weight)).sum();
        Self {
            generation,
            of,
            total,
        }
    }

    /// The subset in whose interval of the circle a point falls; `None` where all weights are zero.
    pub(super) fn at(&self, point: u64) -> Option<usize> {
        // Below the total; multiplied, since a remainder would reshuffle everybody with each total.
        let mut left = ((u128::from(point) * u128::from(self.total)) >> 64) as u64;
        self.of.iter().position(|&weight| {
            let weight = u64::from(weight);
            let is_here = left < weight;
            left = left.saturating_sub(weight);
            is_here
        })
    }

    /// The subset that a key stays with; `None` where all weights are zero.
    pub(super) fn of_key(&self, key: u64, names: &[u64]) -> Option<usize> {
        rendezvous::pick(key, names, &self.of)
    }

    /// A subset's share of what is neither forced nor moved by a fallback, from 0 to 1.
    pub(super) fn share(&self, subset: usize) -> f64 {
        match self.total {
            0 => 0.0,
            total => f64::from(self.of[subset]) / total as f64,
        }
    }
}
