//! `Captured` and `Lost`: how a capture ends.

use http::HeaderMap;

/// A whole body.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) bytes: u64,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Why a body could not be captured whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The primary dropped the body before its end.
    Unread,
    /// The primary was dropped before the body's end, or the body ended before its declared length or with a reset of its
    /// HTTP/2 stream.
    ClientAborted,
    /// The body ended in an error, or contained what cannot be copied.
    BodyError,
    /// More bytes than the cap.
    TooLarge,
    /// The budget of all copies is used up.
    BufferLimit,
    /// The shadow is further behind than a live copy's window.
    Lagged,
}
