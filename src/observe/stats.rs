//! A snapshot of the counters.

use std::fmt;

use http::StatusCode;

use super::Outcome;

/// A snapshot of what became of all requests that entered a mirror, over all its
/// clones and routes.
///
/// In every snapshot [`requests`](Self::requests) is the sum of all outcomes plus
/// [`in_flight`](Self::in_flight), and no number is ever lower than in an earlier
/// snapshot, but for the two of what is held now. Its `Display` is a table with
/// a hint a line.
#[derive(Clone, Debug)]
pub struct Stats {
    pub(super) skipped: [u64; Outcome::COUNT],
    pub(super) started: u64,
    pub(super) ended: [u64; Outcome::COUNT],
    pub(super) statuses: [[u64; StatusClass::COUNT]; StatusClass::COUNT],
    pub(super) buffered_bytes: usize,
    pub(super) observer_panics: u64,
}

impl Stats {
    /// Requests that entered the mirror.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.skipped.iter().sum::<u64>() + self.started
    }

    /// Requests that were admitted: copies that began, whatever became of them.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.started
    }

    /// Copies admitted and not ended: capturing, waiting, sending, answering.
    ///
    /// Ends are read before starts, so while requests come and go this may exceed
    /// `max_in_flight` by those that came and went during the reading.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.ended.iter().sum())
    }

    /// Bytes charged for the copies in flight.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Requests that ended in `outcome`.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.skipped[outcome.index()] + self.ended[outcome.index()]
    }

    /// Every outcome with its count, zeros included, in a fixed order.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL
            .iter()
            .map(|&outcome| (outcome, self.outcome(outcome)))
    }

    /// Admitted requests of which both sides have ended, by status class: how many
    /// had a `primary` answer of the one class and a `shadow` answer of the other.
    /// `statuses(StatusClass::Success, StatusClass::ServerError)` is what to look
    /// at first.
    #[must_use]
    pub fn statuses(&self, primary: StatusClass, shadow: StatusClass) -> u64 {
        self.statuses[primary.index()][shadow.index()]
    }

    /// Panics of observers, caught.
    #[must_use]
    pub fn observer_panics(&self) -> u64 {
        self.observer_panics
    }
}

/// The class of an answer's status (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusClass {
    /// 1xx
    Informational,
    /// 2xx
    Success,
    /// 3xx
    Redirection,
    /// 4xx
    ClientError,
    /// 5xx
    ServerError,
    /// Outside the five classes.
    Other,
    /// There was no answer.
    NoAnswer,
}

impl StatusClass {
    /// Every class, in order.
    pub const ALL: &'static [StatusClass] = &[
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Other,
        Self::NoAnswer,
    ];
    pub(super) const COUNT: usize = Self::ALL.len();

    /// The class of a status, or of its absence.
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

    /// `2xx` and the like; `other`; `none`.
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
