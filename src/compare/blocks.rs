//! `BlockCounter`: counts findings as they come, block by block.

use std::time::Duration;

use super::{Counts, Tally};

/// What one request showed: which side differed from the primary, after what differed on both sides was cancelled.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::Finding;
///
/// assert_eq!(Finding::of(true, false), Finding::ShadowOnly);
/// assert_eq!(Finding::ShadowOnly.as_str(), "shadow_only");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// Neither side differs by itself.
    Equal,
    /// Only the shadow differs.
    ShadowOnly,
    /// Only the baseline differs.
    BaselineOnly,
    /// Each side differs in something that the other side does not.
    Both,
}

impl Finding {
    /// Every finding.
    pub const ALL: [Self; 4] = [
        Self::Equal,
        Self::ShadowOnly,
        Self::BaselineOnly,
        Self::Both,
    ];

    /// From the two sets of differences without what is in both: is there anything left on the side of the shadow, and on the
    /// side of the baseline?
    #[must_use]
    pub const fn of(shadow_differs: bool, baseline_differs: bool) -> Self {
        match (shadow_differs, baseline_differs) {
            (false, false) => Self::Equal,
            (true, false) => Self::ShadowOnly,
            (false, true) => Self::BaselineOnly,
            (true, true) => Self::Both,
        }
    }

    /// The label in metrics: `equal`, `shadow_only`, `baseline_only` or `both`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::ShadowOnly => "shadow_only",
            Self::BaselineOnly => "baseline_only",
            Self::Both => "both",
        }
    }
}

/// Makes a [`Tally`] of findings and their times. It has no clock and a fixed size.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_mirror::compare::{BlockCounter, Finding};
///
/// let mut counter = BlockCounter::paired();
/// for second in 0..25 {
///     counter.record(Duration::from_secs(second), Finding::ShadowOnly);
/// }
/// let tally = counter.tally(Duration::from_secs(25));
/// assert_eq!(tally.requests().shadow_only(), 25);
/// // The third block goes on until second 30.
/// assert_eq!(tally.blocks().shadow_only(), 2);
/// assert_eq!(counter.tally(Duration::from_secs(30)).blocks().shadow_only(), 3);
/// ```
#[derive(Clone, Debug)]
pub struct BlockCounter {
    ended: Tally,
    open: Counts,
    number: u64,
    block: Duration,
}

impl BlockCounter {
    /// The length of a block unless [`with_block`](Self::with_block) sets another one: 10 s.
    pub const BLOCK: Duration = Duration::from_secs(10);

    /// For findings with a baseline.
    #[must_use]
    pub fn paired() -> Self {
        Self::new(true)
    }

    /// For findings without a baseline: every difference is [`Finding::ShadowOnly`], and there is no evidence from blocks.
    #[must_use]
    pub fn alone() -> Self {
        Self::new(false)
    }

    /// Sets the length of a block. It must be set before the first finding. A length below 1 ms has the effect of 1 ms.
    ///
    /// Noise of one process that lasts longer than a block is not recognised as noise.
    #[must_use]
    pub fn with_block(mut self, block: Duration) -> Self {
        self.block = block.max(Duration::from_millis(1));
        self
    }

    fn new(has_baseline: bool) -> Self {
        let none = Counts::unchecked(0, 0, 0, has_baseline);
        Self {
            ended: Tally::of_block(none),
            open: none,
            number: 0,
            block: Self::BLOCK,
        }
    }

    /// Counts one finding. `at` is the time since the start of the comparison; one that belongs to an earlier block is counted
    /// in the present one.
    pub fn record(&mut self, at: Duration, finding: Finding) {
        let number = number_of(at, self.block);
        if number > self.number {
            self.ended = self.ended.plus(&Tally::of_block(self.open));
            self.open = Counts::unchecked(0, 0, 0, self.open.has_baseline());
            self.number = number;
        }
        let open = self.open;
        let is_baseline = finding == Finding::BaselineOnly && open.has_baseline();
        self.open = Counts::unchecked(
            open.compared().saturating_add(1),
            open.shadow_only() + u64::from(finding == Finding::ShadowOnly),
            open.baseline_only() + u64::from(is_baseline),
            open.has_baseline(),
        );
    }

    /// The counts at the time `at`. The present block counts as a block only once it has ended.
    #[must_use]
    pub fn tally(&self, at: Duration) -> Tally {
        let has_ended = number_of(at, self.block) > self.number;
        self.ended.plus(&if has_ended {
            Tally::of_block(self.open)
        } else {
            Tally::of_open_block(self.open)
        })
    }
}

/// The number of the block to which this time belongs.
pub(super) fn number_of(at: Duration, block: Duration) -> u64 {
    let number = at.as_nanos() / block.as_nanos().max(1);
    u64::try_from(number).unwrap_or(u64::MAX)
}
