//! `InvalidSplit` and `InvalidWeights`: the errors of building a split and of changing its weights.

use std::{error::Error, fmt};

/// The reason why a split could not be built.
///
/// # Example
///
/// ```
/// use tower_mirror::{WeightedSplit, split::InvalidSplit};
///
/// let error = WeightedSplit::builder("catalog").subset("v1", 9, ()).subset("v1", 1, ()).build().unwrap_err();
/// assert!(matches!(error, InvalidSplit::Duplicate { .. }));
/// assert_eq!(error.to_string(), "two subsets are named \"v1\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSplit {
    /// The split has no subset.
    Empty,
    /// A name is empty, or contains characters that are not visible ASCII. These names are not
    /// permitted, because names are written into headers.
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
    /// A fallback names a subset that does not exist.
    #[non_exhaustive]
    UnknownFallback {
        /// The unknown name.
        name: String,
    },
    /// A subset has two fallbacks.
    #[non_exhaustive]
    SecondFallback {
        /// The subset.
        from: String,
    },
    /// A subset falls back to itself, directly or through other subsets.
    #[non_exhaustive]
    Cycle {
        /// One of the subsets.
        from: String,
    },
    /// A layer has no `inner` subset, or more than one.
    #[non_exhaustive]
    Inner {
        /// The number of `inner` subsets.
        count: usize,
    },
}

impl fmt::Display for InvalidSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a split needs at least one subset"),
            Self::Name { name } => write!(
                f,
                "invalid subset name {name:?}: it must not be empty, and must contain only visible ASCII characters"
            ),
            Self::Duplicate { name } => write!(f, "two subsets are named {name:?}"),
            Self::UnknownFallback { name } => {
                write!(f, "a fallback names {name:?}, but no subset has this name")
            }
            Self::SecondFallback { from } => write!(f, "{from:?} has two fallbacks"),
            Self::Cycle { from } => write!(f, "{from:?} falls back to itself"),
            Self::Inner { count } => write!(
                f,
                "`inner` must be called exactly once, for the service that the layer wraps, but it was called {count} times"
            ),
        }
    }
}

impl Error for InvalidSplit {}

/// The reason why weights were not changed. No part of the change was made.
///
/// # Example
///
/// ```
/// use tower_mirror::{WeightedSplit, split::InvalidWeights};
///
/// let split = WeightedSplit::builder("catalog").subset("v1", 1, ()).build().unwrap();
/// let error = split.handle().set_weight("v2", 1).unwrap_err();
/// assert!(matches!(error, InvalidWeights::Unknown { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidWeights {
    /// No subset has this name.
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
    },
    /// The change contains a name twice.
    #[non_exhaustive]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Another caller has changed the weights.
    #[non_exhaustive]
    Conflict {
        /// The generation that was expected.
        expected: u64,
        /// The generation in force.
        current: u64,
    },
}

impl fmt::Display for InvalidWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "no subset is named {name:?}"),
            Self::Duplicate { name } => write!(f, "{name:?} is given two weights"),
            Self::Conflict { expected, current } => write!(
                f,
                "the weights are of generation {current}, not {expected}: another caller has changed them"
            ),
        }
    }
}

impl Error for InvalidWeights {}
