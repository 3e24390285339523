//! Why answers are not compared, or their bodies not judged.

use std::{error::Error, fmt};

/// Why the bodies of a request's answers are not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotJudged {
    /// A body had not ended when the time of the comparison was over.
    Streaming,
    /// The bodies have a content encoding, and not the same bytes.
    Encoded,
}

/// Why the answers to a request are not compared at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotCompared {
    /// An answer is a 304 or a 206: validators and ranges differ between replicas.
    Conditional,
    /// The primary answered 429 or 503. The copies met another limiter.
    PrimaryRefused,
    /// The primary's answer is missing, broke off, or is too long.
    PrimaryIncomplete,
    /// The comparison would cost more than a fixed multiple of the size of the answers.
    TooCostly,
    /// The bodies cannot be judged. Only [`differences`](super::differences) returns this.
    Body(NotJudged),
}

impl NotJudged {
    /// The name of the reason in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Encoded => "encoded",
        }
    }
}

impl NotCompared {
    /// The name of the reason in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conditional => "conditional",
            Self::PrimaryRefused => "primary_refused",
            Self::PrimaryIncomplete => "primary_incomplete",
            Self::TooCostly => "too_costly",
            Self::Body(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for NotJudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Streaming => "a body had not ended when the time was over",
            Self::Encoded => "the bodies have a content encoding, and not the same bytes",
        })
    }
}

impl fmt::Display for NotCompared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conditional => "an answer has the status 304 or 206",
            Self::PrimaryRefused => "the primary refused the request with 429 or 503",
            Self::PrimaryIncomplete => "the answer of the primary is not complete",
            Self::TooCostly => "the comparison would be too costly for the size of the answers",
            Self::Body(reason) => return reason.fmt(f),
        })
    }
}

impl Error for NotCompared {}
