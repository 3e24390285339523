//! What cannot be a split, and what cannot be its weights.

use std::{error::Error, fmt};

/// Why a split could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSplit {
    /// There is no subset.
    Empty,
    /// A name is empty, or holds what a header value cannot: names go into headers.
    #[non_exhaustive]
    Name {
        /// The name.
        name: String,
    },
    /// Two subsets have this name.
    #[non_exhaustive]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A fallback from, or to, a subset that there is not.
    #[non_exhaustive]
    UnknownFallback {
        /// The name that is no subset's.
        name: String,
    },
    /// A second fallback from the same subset.
    #[non_exhaustive]
    SecondFallback {
        /// The subset.
        from: String,
    },
    /// A subset that falls back, directly or by way of others, to itself.
    #[non_exhaustive]
    Cycle {
        /// One of the subsets.
        from: String,
    },
    /// A layer without an `inner` subset, or with more than one.
    #[non_exhaustive]
    Inner {
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for InvalidSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a split needs at least one subset"),
            Self::Name { name } => write!(
                f,
                "{name:?} is no name for a subset: it must not be empty, and hold visible ASCII alone"
            ),
            Self::Duplicate { name } => write!(f, "two subsets are named {name:?}"),
            Self::UnknownFallback { name } => {
                write!(f, "a fallback names {name:?}, which is no subset")
            }
            Self::SecondFallback { from } => write!(f, "{from:?} has two fallbacks"),
            Self::Cycle { from } => write!(f, "{from:?} falls back to itself"),
            Self::Inner { count } => write!(
                f,
                "one subset of a layer is the service it wraps: `inner` is needed once, not {count} times"
            ),
        }
    }
}

impl Error for InvalidSplit {}

/// Why weights were not changed; nothing of the change was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidWeights {
    /// There is no subset of this name.
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
    },
    /// A name is given twice.
    #[non_exhaustive]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The weights had been changed by somebody else.
    #[non_exhaustive]
    Conflict {
        /// The generation that was expected.
        expected: u64,
        /// The one in force.
        current: u64,
    },
}

impl fmt::Display for InvalidWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "{name:?} is no subset"),
            Self::Duplicate { name } => write!(f, "{name:?} is given two weights"),
            Self::Conflict { expected, current } => write!(
                f,
                "the weights are of generation {current}, not {expected}: somebody else changed them"
            ),
        }
    }
}

impl Error for InvalidWeights {}
