//! `DropReason`: why a mirrored request was not compared.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal)*) => {
        /// Why a request that was mirrored was not compared.
        ///
        /// Its three answers are then dropped together and count neither for nor against the shadow, so that no reason in this list can
        /// change the error rate. The client's answer is the same in all cases.
        ///
        /// # Example
        ///
        /// ```
        /// use tower_mirror::compare::DropReason;
        ///
        /// assert_eq!(DropReason::Busy.as_str(), "busy");
        /// assert!(DropReason::ALL.contains(&DropReason::Conditional));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $variant,)*
        }

        impl DropReason {
            /// All reasons, in the order of the reports.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            const COUNT: usize = Self::ALL.len();

            /// The name of the reason in JSON and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// The method is unsafe and was not named in [`methods`](super::Compare::methods).
    Method "method"
    /// The [share](super::Compare::share) did not take the request.
    Share "share"
    /// The request is conditional or asks for a range, or one of the answers was `304 Not Modified`. Validators differ between replicas.
    Conditional "conditional"
    /// The request offers an upgrade, or an answer was `101 Switching Protocols`.
    Upgrade "upgrade"
    /// The primary answered `429` or `503`: it refused the request before its application saw it, and the copies met another limiter.
    PrimaryRefused "primary_refused"
    /// The primary failed without an answer, or its answer broke off.
    PrimaryFailed "primary_failed"
    /// The client went away before the primary's answer ended.
    ClientGone "client_gone"
    /// The primary's answer is longer than [`max_answer_bytes`](super::Compare::max_answer_bytes).
    TooLarge "too_large"
    /// The primary's answer had not ended when both copies reached their timeout.
    Streaming "streaming"
    /// The answers held as many bytes as [`max_held_bytes`](super::Compare::max_held_bytes) permits.
    HeldBytes "held_bytes"
    /// As many requests waited for the comparing thread as may wait.
    Busy "busy"
    /// The request's body could not be captured whole, so no copy was sent.
    RequestLost "request_lost"
    /// A limit of the mirror refused the baseline's copy.
    CopyLimit "copy_limit"
    /// A copy was aborted, by a drain or with its runtime.
    Aborted "aborted"
    /// The comparison was reset while the request was under way.
    Reset "reset"
    /// To compare the bodies would cost more than a fixed multiple of their size.
    TooCostly "too_costly"
    /// The comparer panicked, which is a bug in this crate.
    Panicked "panicked"
}

impl DropReason {
    /// Stored as its place plus one; 0 means that there is none.
    pub(super) const fn stored(self) -> u8 {
        self as u8 + 1
    }

    pub(super) fn from_stored(stored: u8) -> Option<Self> {
        let place = usize::from(stored).checked_sub(1)?;
        Self::ALL.get(place).copied()
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How often each reason applied.
#[derive(Debug)]
pub(super) struct DropCounts([AtomicU64; DropReason::COUNT]);

impl DropCounts {
    pub(super) fn new() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }

    pub(super) fn add(&self, reason: DropReason) {
        self.0[reason as usize].fetch_add(1, Relaxed);
    }

    /// All reasons, also those that did not occur.
    pub(super) fn all(&self) -> impl Iterator<Item = (DropReason, u64)> {
        let counts = DropReason::ALL.iter().zip(&self.0);
        counts.map(|(reason, count)| (*reason, count.load(Relaxed)))
    }

    /// Those that occurred.
    pub(super) fn snapshot(&self) -> Vec<(DropReason, u64)> {
        self.all().filter(|(_, count)| *count > 0).collect()
    }

    pub(super) fn reset(&self) {
        self.0.iter().for_each(|count| count.store(0, Relaxed));
    }
}
