//! `InvalidRules`: what is refused as a rule.

use std::{error::Error, fmt};

use http::HeaderName;

/// Why [`Rules`](super::Rules) could not be built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InvalidRules {
    /// A path does not follow the syntax of paths.
    #[non_exhaustive]
    Path {
        /// The path.
        path: String,
        /// What is required.
        rule: &'static str,
    },
    /// A tolerance is negative or not finite.
    #[non_exhaustive]
    Tolerance {
        /// The path.
        path: String,
        /// The tolerance.
        given: f64,
    },
    /// A name that a header cannot have.
    #[non_exhaustive]
    Header {
        /// The name.
        name: String,
    },
    /// A header that differs between two instances of the same version.
    #[non_exhaustive]
    NeverCompared {
        /// The header.
        name: HeaderName,
    },
}

impl fmt::Display for InvalidRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, rule } => write!(f, "the path {path:?} is not valid: {rule}"),
            Self::Tolerance { path, given } => write!(
                f,
                "the tolerance at {path:?} must be finite and at least 0, and it is {given}"
            ),
            Self::Header { name } => write!(f, "a header cannot have the name {name:?}"),
            Self::NeverCompared { name } => write!(
                f,
                "the header {:?} cannot be compared: it differs between two instances of the same version",
                name.as_str()
            ),
        }
    }
}

impl Error for InvalidRules {}
