//! `Outcome`: the result of a request that entered the mirror.

use std::fmt;

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $hint:literal)*) => {
        /// The result of one request that entered the mirror. Each request has exactly one.
        ///
        /// The first fifteen outcomes say why no copy was sent. The others say how a copy that had
        /// begun has ended. None of them affects the primary.
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

            /// A few words that say what the outcome means, or what to do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Outcome::$variant => $hint,)* }
            }
        }
    };
}

outcomes! {
    /// A filter refused the request.
    Filtered "filtered" "excluded by a filter"
    /// The draw did not take the request.
    NotSampled "not_sampled" "excluded by the sample rate"
    /// The mirror is paused.
    Paused "paused" "call resume() on the handle"
    /// The request carries the mark of a copy.
    Loop "loop" "it is itself a copy; at an edge, use strip_inbound_mark()"
    /// The request is a CONNECT, or the primary answered it with `101 Switching Protocols`.
    Upgrade "upgrade" "CONNECT and upgrades have no copy"
    /// The request's body has a transfer coding other than `chunked`, which a copy would lose.
    TransferCoding "transfer_coding" "codings such as `Transfer-Encoding: gzip, chunked` have no copy"
    /// The limit of copies in flight was reached.
    InFlightLimit "in_flight_limit" "shadow too slow for the rate: lower it, or raise max_in_flight"
    /// The byte budget was used up.
    BufferLimit "buffer_limit" "shadow too slow for the sizes: lower the rate, or raise the budget"
    /// The request's body exceeded the cap.
    TooLarge "too_large" "raise max_body_bytes, or mirror only heads with BodyMode::HeadOnly"
    /// The primary dropped the request's body before its end, and either refused the request or
    /// left more than a small rest of the body.
    Unread "unread" "the primary ignores bodies, or refused these early"
    /// The client went away before its body was complete, ended it before its declared length, or
    /// reset its HTTP/2 stream.
    ClientAborted "client_aborted" "clients went away while sending"
    /// The request's body ended in an error, was longer than declared, or had trailers that clients
    /// must not send.
    BodyError "body_error" "uploads broke off, mostly because clients went away"
    /// There was no tokio runtime, or it had no timers. In such a case tokio panics. The panic is
    /// caught, but the process's panic hook still prints its message.
    NoRuntime "no_runtime" "call the service within a tokio runtime that has enable_time()"
    /// The mirror is draining or has drained.
    Draining "draining" "the mirror is shutting down"
    /// A filter, key, route label or carried extension panicked.
    PolicyPanicked "policy_panicked" "a bug in your filter, key or label; primaries were served"
    /// The shadow's answer was received completely.
    Completed "completed" "the shadow answered; see the statuses"
    /// The shadow's answer exceeded the cap, and was truncated.
    CompletedTruncated "completed_truncated" "answers exceed max_response_bytes"
    /// The shadow could not be reached.
    FailedConnect "failed_connect" "is the shadow up, at this address?"
    /// The connection to the shadow broke.
    FailedTransport "failed_transport" "the shadow closes or resets connections"
    /// The head of the shadow's answer was larger than the limit of its client.
    ResponseHeadTooLarge "response_head_too_large" "raise max_response_head_bytes, or find out why the heads are so large"
    /// The shadow's service failed with an error of its own code or of a layer around it.
    FailedService "failed_service" "a layer around the shadow refuses (overload, limit, its own timeout)"
    /// The deadline of the capture or of the exchange with the shadow passed.
    TimedOut "timed_out" "answer slower than timeout, or upload slower than capture_timeout"
    /// The shadow fell behind a live copy.
    Lagged "lagged" "the shadow reads more slowly than clients send"
    /// The shadow's service or a rewrite panicked.
    Panicked "panicked" "a bug in the shadow's service or your rewrite"
    /// The copy was aborted at the deadline of a drain, or was dropped with its runtime.
    Aborted "aborted" "aborted at the deadline of a drain, or dropped with the runtime"
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
