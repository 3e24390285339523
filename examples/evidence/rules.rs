//! The rules that are compared: `compare`'s own, its parts, Diffy's, and a test with a fixed number of requests.

use std::{f64::consts::LN_2, time::Duration};

use tower_mirror::compare::{BlockCounter, Confidence, Finding, Tally};

use crate::noise::Pair;

/// Twenty requests a second, so that a block of 10 s has 200.
const BETWEEN: Duration = Duration::from_millis(50);
pub(crate) const BLOCK: u64 = 200;

/// The counts of one run.
pub(crate) struct Seen {
    counter: BlockCounter,
    pub(crate) compared: u64,
    /// All requests in which the shadow differed, and in which the baseline did.
    pub(crate) shadow: u64,
    pub(crate) baseline: u64,
    pub(crate) shadow_only: u64,
    pub(crate) baseline_only: u64,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            counter: BlockCounter::paired(),
            compared: 0,
            shadow: 0,
            baseline: 0,
            shadow_only: 0,
            baseline_only: 0,
        }
    }

    /// Counts a request. What differs in both is the same here and is cancelled.
    pub(crate) fn add(&mut self, pair: Pair) -> Finding {
        let Pair { shadow, baseline } = pair;
        let finding = Finding::of(shadow && !baseline, baseline && !shadow);
        self.counter.record(BETWEEN * self.compared as u32, finding);
        self.compared += 1;
        self.shadow += u64::from(shadow);
        self.baseline += u64::from(baseline);
        self.shadow_only += u64::from(finding == Finding::ShadowOnly);
        self.baseline_only += u64::from(finding == Finding::BaselineOnly);
        finding
    }

    pub(crate) fn tally(&self) -> Tally {
        self.counter.tally(BETWEEN * self.compared as u32)
    }

    pub(crate) fn is_end_of_block(&self) -> bool {
        self.compared % BLOCK == 0
    }

    /// Diffy's rule with its defaults of 20 % and 0.03 %.
    pub(crate) fn is_shown_by_diffy(&self) -> bool {
        let (raw, noise) = (self.shadow as f64, self.baseline as f64);
        let total = self.compared as f64;
        raw > noise
            && (raw - noise) / (raw + noise) * 100.0 > 20.0
            && (raw - noise) / total * 100.0 > 0.03
    }

    /// The usual test of a difference of two shares, one-sided at 5 %.
    pub(crate) fn is_significant(&self) -> bool {
        let (s, f) = (self.shadow_only as f64, self.baseline_only as f64);
        s > f && (s - f) / (s + f).sqrt() > 1.644_853_6
    }
}

/// Leaves out looks at evidence that cannot be sufficient. A difference of the shadow at most doubles the evidence of the
/// requests, and a block that ends that of the blocks; such a block has at least one difference of the shadow, which may lie before the last
/// look.
struct Climb {
    level: f64,
    next: u64,
}

impl Climb {
    fn new() -> Self {
        Self {
            level: Confidence::default().ln_level(),
            next: 0,
        }
    }

    fn reaches(&mut self, differences: u64, ln_e: impl FnOnce() -> f64) -> bool {
        if differences < self.next {
            return false;
        }
        let ln_e = ln_e();
        let more = ((self.level - ln_e) / LN_2).ceil().max(1.0);
        self.next = differences + more as u64 - 1;
        ln_e >= self.level
    }
}

/// FAIL of `compare` for one route, at every look: the shipped rule with both coins.
pub(crate) struct Fail {
    tolerated: f64,
    climb: Climb,
}

impl Fail {
    pub(crate) fn new(tolerated: f64) -> Self {
        Self {
            tolerated,
            climb: Climb::new(),
        }
    }

    /// Whether this look says FAIL. The evidence can reach its level with a difference of the shadow or at the end of a block.
    pub(crate) fn look(&mut self, seen: &Seen, finding: Finding) -> bool {
        let ln_e = || seen.tally().ln_e_above(self.tolerated);
        let is_look = finding == Finding::ShadowOnly || seen.is_end_of_block();
        is_look && self.climb.reaches(seen.shadow_only, ln_e)
    }
}

/// The coin of the requests without that of the blocks.
pub(crate) struct ByRequests {
    tolerated: f64,
    climb: Climb,
}

impl ByRequests {
    pub(crate) fn new(tolerated: f64) -> Self {
        Self {
            tolerated,
            climb: Climb::new(),
        }
    }

    pub(crate) fn look(&mut self, seen: &Seen, finding: Finding) -> bool {
        let ln_e = || seen.tally().requests().ln_e_above(self.tolerated);
        finding == Finding::ShadowOnly && self.climb.reaches(seen.shadow_only, ln_e)
    }
}
