//! `Outcome`: the result of a request.

use std::fmt;

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $hint:literal)*) => {
        /// The result of one request that entered the mirror. Each request has exactly one.
        ///
        /// The first fifteen say why no copy was sent, the others how the copy
        /// that was under way ended. None of them disturbs the primary.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Outcome {
            $($(#[$doc])* #[doc = ""] #[doc = $hint] $variant,)*
        }

        impl Outcome {
            /// Every outcome, in the order of the tables.
            pub const ALL: &'static [Outcome] = &[$(Outcome::$variant),*];
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The outcome's name in [`MirrorStats`](super::MirrorStats), JSON and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Outcome::$variant => $name,)* }
            }

            /// What it means, or what to do about it, in a few words.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Outcome::$variant => $hint,)* }
            }
        }
    };
}

outcomes! {
    /// A filter refused the request.
    Filtered "filtered" "as the filters say"
    /// The draw did not take the request.
    NotSampled "not_sampled" "as the rate says"
    /// The mirror is paused.
    Paused "paused" "call resume() on the handle"
    /// The request carries the mark of a copy.
    Loop "loop" "it is itself a copy; at an edge, strip_inbound_mark()"
    /// The request is a CONNECT, or the primary answered it with `101 Switching Protocols`.
    Upgrade "upgrade" "CONNECT and upgrades have no copy"
    /// The request's body has a transfer coding besides `chunked`, which a copy would lose.
    TransferCoding "transfer_coding" "codings such as `Transfer-Encoding: gzip, chunked` have no copy"
    /// As many copies as allowed were in flight.
    InFlightLimit "in_flight_limit" "shadow too slow for the rate: lower it, or raise max_in_flight"
    /// The byte budget was used up.
    BufferLimit "buffer_limit" "shadow too slow for the sizes: lower the rate, or raise the budget"
    /// The request's body was over the cap.
    TooLarge "too_large" "raise max_body_bytes, or mirror only heads with BodyMode::HeadOnly"
    /// The primary dropped the request's body before its end, and refused the request or left more than a little.
    Unread "unread" "the primary ignores bodies, or refused these early"
    /// The client went away before its body was complete, ended it before its declared length, or reset its HTTP/2 stream.
    ClientAborted "client_aborted" "clients went away while sending"
    /// The request's body ended in an error, was longer than declared, or had trailers that no client may send.
    BodyError "body_error" "uploads broke off, mostly clients that went away"
    /// There was no tokio runtime, or one without timers. (tokio panics in such a runtime. The panic is caught, but
    /// the process's panic hook still prints its message.)
    NoRuntime "no_runtime" "call the service within a tokio runtime that has enable_time()"
    /// The mirror is draining or has drained.
    Draining "draining" "the mirror is shutting down"
    /// A filter, key, route label or carried extension panicked.
    PolicyPanicked "policy_panicked" "a bug in your filter, key or label; primaries were served"
    /// The shadow's answer was received whole.
    Completed "completed" "the shadow answered; see the statuses"
    /// The shadow's answer was longer than the cap, and cut.
    CompletedTruncated "completed_truncated" "answers exceed max_response_bytes"
    /// The shadow could not be reached.
    FailedConnect "failed_connect" "is the shadow up, at this address?"
    /// The connection to the shadow broke.
    FailedTransport "failed_transport" "the shadow closes or resets connections"
    /// The head of the shadow's answer was larger than its client receives.
    ResponseHeadTooLarge "response_head_too_large" "raise max_response_head_bytes, or see why its heads are so large"
    /// The shadow's service gave an error of its own.
    FailedService "failed_service" "a layer around the shadow refuses (overload, limit, its own timeout)"
    /// A deadline passed: of the capture, or of the exchange with the shadow.
    TimedOut "timed_out" "slower than timeout, or an upload than capture_timeout"
    /// The shadow fell behind a live copy.
    Lagged "lagged" "the shadow reads more slowly than clients send"
    /// The shadow's service or a rewrite panicked.
    Panicked "panicked" "a bug in the shadow's service or your rewrite"
    /// The copy was aborted at a drain's deadline, or was dropped with its runtime.
    Aborted "aborted" "aborted at the drain's deadline, or dropped with the runtime"
}

impl Outcome {
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
