//! `NoiseMask`: paths that differ between two answers of v1 are taken out of the judgement of whole answers.

use std::{collections::HashMap, fmt, hash::Hash};

use super::Finding;

/// Learns which paths are noisy, from differences of the *baseline* only.
///
/// A path is masked once it differed only in the baseline in at least 3 requests and in at least 2 % of all requests. From the
/// next request on it does not count in the [`Finding`] of whole answers, for neither side. It keeps its own coin, so
/// that a path that is noisy in v1 and noisier in v2 is still found.
///
/// The error rate remains exact: the mask is made of earlier requests, and it treats both sides alike. A mask that learns from
/// the shadow's differences would hide the shadow's faults.
///
/// `P` names a path, for example by its hash. At most 200 paths are observed; a path that comes later is never masked.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Finding, NoiseMask};
///
/// let mut mask = NoiseMask::new();
/// for _ in 0..3 {
///     assert_eq!(mask.judge(&[], &["/etag"]), Finding::BaselineOnly);
/// }
/// assert!(mask.is_masked(&"/etag"));
/// assert_eq!(mask.judge(&["/etag"], &[]), Finding::Equal);
/// assert_eq!(mask.judge(&["/etag", "/price"], &[]), Finding::ShadowOnly);
/// ```
#[derive(Clone)]
pub struct NoiseMask<P> {
    compared: u64,
    paths: HashMap<P, Noise>,
}

#[derive(Clone, Copy, Default)]
struct Noise {
    baseline_only: u64,
    masked_since: Option<u64>,
}

const MOST_PATHS: usize = 200;
const FEWEST: u64 = 3;
const ONE_IN: u64 = 50;

impl<P> NoiseMask<P> {
    /// A mask that hides nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            compared: 0,
            paths: HashMap::new(),
        }
    }

    /// The masked paths, each with the number of requests that were compared when it was masked, in no order.
    pub fn masked(&self) -> impl Iterator<Item = (&P, u64)> {
        let since = |(path, noise): (_, &Noise)| Some((path, noise.masked_since?));
        self.paths.iter().filter_map(since)
    }
}

impl<P: Eq + Hash> NoiseMask<P> {
    /// Whether the path is masked.
    #[must_use]
    pub fn is_masked(&self, path: &P) -> bool {
        let noise = self.paths.get(path);
        noise.is_some_and(|noise| noise.masked_since.is_some())
    }
}

impl<P: Clone + Eq + Hash> NoiseMask<P> {
    /// Judges one request by the mask of the earlier ones, and then learns from it.
    ///
    /// The arguments are the paths that differ on one side only, after those that differ on both were cancelled. No path may
    /// be in a list twice.
    pub fn judge(&mut self, shadow_only: &[P], baseline_only: &[P]) -> Finding {
        let is_left = |paths: &[P]| paths.iter().any(|path| !self.is_masked(path));
        let finding = Finding::of(is_left(shadow_only), is_left(baseline_only));
        self.compared = self.compared.saturating_add(1);
        for path in baseline_only {
            self.learn(path);
        }
        finding
    }

    fn learn(&mut self, path: &P) {
        let has_room = self.paths.len() < MOST_PATHS;
        let compared = self.compared;
        let noise = match self.paths.get_mut(path) {
            Some(noise) => noise,
            None if has_room => self.paths.entry(path.clone()).or_default(),
            None => return,
        };
        noise.baseline_only = noise.baseline_only.saturating_add(1);
        let is_often = noise.baseline_only.saturating_mul(ONE_IN) >= compared;
        if noise.baseline_only >= FEWEST && is_often && noise.masked_since.is_none() {
            noise.masked_since = Some(compared);
        }
    }
}

impl<P> Default for NoiseMask<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> fmt::Debug for NoiseMask<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoiseMask")
            .field("compared", &self.compared)
            .field("masked", &self.masked().count())
            .finish_non_exhaustive()
    }
}
