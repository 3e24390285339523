//! `Tally`: the seven integers from which a verdict on one route or path follows.

use super::{Counts, InvalidCounts};

/// The seven integers of one route or path: [`Counts`] of requests, `Counts` of blocks, and the capped count of the baseline.
///
/// A process may be noisy for some time: its cache is stale, or its garbage collector runs. The requests of this time are not
/// separate tosses of a coin. For this reason the time is cut into *blocks* of 10 s:
///
/// - FAIL needs both coins, that of the requests and that of the blocks. A block counts for the side that differed in more of
///   its requests. The smaller of two e-values is valid if either of the two is.
/// - PASS counts the requests in which only the baseline differed at most up to one more, in each block, than those in which
///   only the shadow did. A request that is not counted can only lower this evidence.
///
/// The requests of replicas add up. The blocks do not, because a bad minute of the shadow is a bad minute in the
/// counts of each replica: take the blocks from the sums over all replicas, as in the example.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Counts, Tally};
///
/// # fn main() -> Result<(), tower_mirror::compare::InvalidCounts> {
/// // The sums over all replicas, minute by minute.
/// let minutes = [Counts::paired(900, 4, 0)?, Counts::paired(950, 0, 6)?, Counts::paired(910, 5, 1)?];
/// let tally = Tally::from_blocks(minutes);
/// assert_eq!(tally.requests(), Counts::paired(2_760, 9, 7)?);
/// assert_eq!(tally.blocks(), Counts::paired(3, 2, 1)?);
/// assert_eq!(tally.baseline_capped(), 0 + 1 + 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    requests: Counts,
    blocks: Counts,
    baseline_capped: u64,
}

/// How far the baseline's requests may be ahead of the shadow's within one block.
const CAP: u64 = 1;

impl Tally {
    /// From the parts that the functions of this type return, for example after they were stored.
    ///
    /// # Errors
    ///
    /// [`InvalidCounts::Capped`] where `baseline_capped` is more than the requests of the baseline, and
    /// [`InvalidCounts::Blocks`] where there are more blocks than requests.
    pub const fn new(
        requests: Counts,
        blocks: Counts,
        baseline_capped: u64,
    ) -> Result<Self, InvalidCounts> {
        if baseline_capped > requests.baseline_only() {
            return Err(InvalidCounts::Capped {
                capped: baseline_capped,
                baseline_only: requests.baseline_only(),
            });
        }
        if blocks.compared() > requests.compared() {
            return Err(InvalidCounts::Blocks {
                blocks: blocks.compared(),
                requests: requests.compared(),
            });
        }
        Ok(Self {
            requests,
            blocks,
            baseline_capped,
        })
    }

    /// From the counts of blocks that have ended, each of some seconds or a minute. Empty blocks have no effect.
    ///
    /// It has a baseline if each block has one.
    #[must_use]
    pub fn from_blocks(blocks: impl IntoIterator<Item = Counts>) -> Self {
        let mut blocks = blocks.into_iter();
        let mut tally = blocks.next().map_or_else(Self::default, Self::of_block);
        for block in blocks {
            tally = tally.plus(&Self::of_block(block));
        }
        tally
    }

    /// One block that has ended.
    pub(super) fn of_block(requests: Counts) -> Self {
        let (s, f) = (requests.shadow_only(), requests.baseline_only());
        let is_not_empty = u64::from(requests.compared() > 0);
        Self {
            blocks: Counts::unchecked(
                is_not_empty,
                u64::from(s > f),
                u64::from(f > s),
                requests.has_baseline(),
            ),
            ..Self::of_open_block(requests)
        }
    }

    /// One block that goes on: its requests count, but the block does not yet. Otherwise a
    /// reader who chooses the moment of a look would choose the side of the block.
    pub(super) fn of_open_block(requests: Counts) -> Self {
        let most = requests.shadow_only().saturating_add(CAP);
        Self {
            requests,
            blocks: Counts::unchecked(0, 0, 0, requests.has_baseline()),
            baseline_capped: requests.baseline_only().min(most),
        }
    }

    /// Both together, where the time of one follows that of the other.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let plus = |a: Counts, b: Counts| {
            Counts::unchecked(
                a.compared().saturating_add(b.compared()),
                a.shadow_only().saturating_add(b.shadow_only()),
                a.baseline_only().saturating_add(b.baseline_only()),
                a.has_baseline() && b.has_baseline(),
            )
        };
        Self {
            requests: plus(self.requests, other.requests),
            blocks: plus(self.blocks, other.blocks),
            baseline_capped: self.baseline_capped.saturating_add(other.baseline_capped),
        }
    }

    /// The counts of the requests.
    #[must_use]
    pub const fn requests(&self) -> Counts {
        self.requests
    }

    /// The counts of the blocks that have ended: all, those in which the shadow differed more often, and those in which the
    /// baseline did.
    #[must_use]
    pub const fn blocks(&self) -> Counts {
        self.blocks
    }

    /// The requests in which only the baseline differed, at most one more in each block than those of the shadow.
    #[must_use]
    pub const fn baseline_capped(&self) -> u64 {
        self.baseline_capped
    }

    /// The evidence for FAIL: the smaller one of [`Counts::ln_e_above`] of the requests with `tolerated`, and of the blocks with 0.
    ///
    /// Without a baseline only the requests count, since there is no coin: noise of one process is a difference of the shadow.
    #[must_use]
    pub fn ln_e_above(&self, tolerated: f64) -> f64 {
        let of_requests = self.requests.ln_e_above(tolerated);
        if !self.requests.has_baseline() {
            return of_requests;
        }
        of_requests.min(self.blocks.ln_e_above(0.0))
    }

    /// The evidence for PASS: [`Counts::ln_e_below`] of the requests, with the capped count of the baseline.
    #[must_use]
    pub fn ln_e_below(&self, tolerated: f64) -> f64 {
        self.capped().ln_e_below(tolerated)
    }

    /// The requests with the capped count of the baseline.
    pub(super) fn capped(&self) -> Counts {
        Counts::unchecked(
            self.requests.compared(),
            self.requests.shadow_only(),
            self.baseline_capped,
            self.requests.has_baseline(),
        )
    }
}
