//! `StatusClass`: the class of a response's status.

use std::fmt;

use http::StatusCode;

/// The class of a response's status (RFC 9110, section 15).
///
/// # Example
///
/// ```
/// use http::StatusCode;
/// use tower_mirror::StatusClass;
///
/// assert_eq!(StatusClass::of(Some(StatusCode::NOT_FOUND)), StatusClass::ClientError);
/// assert_eq!(StatusClass::of(None).as_str(), "none");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusClass {
    /// The status is 1xx.
    Informational,
    /// The status is 2xx.
    Success,
    /// The status is 3xx.
    Redirection,
    /// The status is 4xx.
    ClientError,
    /// The status is 5xx.
    ServerError,
    /// The status is outside the five classes.
    Other,
    /// There was no response.
    NoAnswer,
}

impl StatusClass {
    /// All classes, in ascending order.
    pub const ALL: &'static [StatusClass] = &[
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Other,
        Self::NoAnswer,
    ];
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// Returns the class of a status, or [`NoAnswer`](Self::NoAnswer) without a status.
    #[must_use]
    pub fn of(status: Option<StatusCode>) -> Self {
        match status.map(|status| status.as_u16()) {
            None => Self::NoAnswer,
            Some(100..=199) => Self::Informational,
            Some(200..=299) => Self::Success,
            Some(300..=399) => Self::Redirection,
            Some(400..=499) => Self::ClientError,
            Some(500..=599) => Self::ServerError,
            Some(_) => Self::Other,
        }
    }

    /// Returns the name of the class: `2xx` and so on, `other`, or `none`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Other => "other",
            Self::NoAnswer => "none",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for StatusClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
