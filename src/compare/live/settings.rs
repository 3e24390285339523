//! `Settings`: what was decided about a comparison, after it was validated.

use std::time::Duration;

use http::Method;

use crate::{
    compare::{Accept, BlockCounter, Rules},
    sample::SampleRate,
};

/// Where the third answer to a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaselineKind {
    /// A second instance of v1. The error rate holds.
    Service,
    /// A clone of the primary's application in the same process. The error rate does not hold.
    InProcess,
    /// There is no third answer, so every difference counts against the shadow.
    None,
}

impl BaselineKind {
    /// The name in JSON: `service`, `in_process` or `none`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::InProcess => "in_process",
            Self::None => "none",
        }
    }

    /// What a reader of the report must know. `None`: the error rate holds.
    #[must_use]
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Service => None,
            Self::InProcess => Some(
                "the baseline is in the same process as the primary, so it cannot be swapped with the shadow and the error rate does not hold",
            ),
            Self::None => Some(
                "there is no baseline, so every difference counts against the shadow, also noise that v1 has too",
            ),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) baseline: BaselineKind,
    pub(super) share: SampleRate,
    pub(super) methods: Vec<Method>,
    pub(super) rules: Rules,
    pub(super) accept: Accept,
    /// Routes below this share of the compared requests pass together.
    pub(super) rare: SampleRate,
    pub(super) warm_up: u64,
    pub(super) block: Duration,
    pub(super) duty: f64,
    pub(super) max_answer_bytes: usize,
    pub(super) max_held_bytes: usize,
}

impl Settings {
    pub(super) fn new(baseline: BaselineKind) -> Self {
        Self {
            baseline,
            share: SampleRate::ALL,
            methods: Vec::new(),
            rules: Rules::default(),
            accept: Accept::default(),
            rare: SampleRate::NONE,
            warm_up: 200,
            block: BlockCounter::BLOCK,
            duty: 0.1,
            max_answer_bytes: 256 << 10,
            max_held_bytes: 16 << 20,
        }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.baseline == BaselineKind::None
    }

    /// Whether requests of this method are compared.
    pub(super) fn compares(&self, method: &Method) -> bool {
        method.is_safe() || self.methods.contains(method)
    }
}
