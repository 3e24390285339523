//! `Captured` and `Lost`: how a capture ends.

use http::HeaderMap;

/// What is known of a body that was captured completely.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) bytes: u64,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Why a body could not be captured completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The primary dropped the body before its end.
    Unread,
    /// The primary was dropped before the end of the body, or the body ended before its declared
    /// length or with a reset of its HTTP/2 stream.
    ClientAborted,
    /// The body ended in an error, or it contained something that cannot be copied.
    BodyError,
    /// The body has more bytes than `max_body_bytes` allows.
    TooLarge,
    /// The budget of all copies is used up.
    BufferLimit,
    /// The shadow is further behind than the window of a live copy allows.
    Lagged,
}
