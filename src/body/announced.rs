//! `Announced`: what the head of a request says about its body, and whether a body that ended is
//! complete.

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, HOST, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    },
};
use http_body::SizeHint;

use super::end::Lost;
use crate::stream_end::should_say_end;

/// What the head of a request announces about its body. A body that ends differently was aborted by
/// its client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Announced {
    /// The length of the whole body in bytes, if it is known beforehand.
    pub(crate) length: Option<u64>,
    /// Whether a `Trailer` field names trailers.
    pub(crate) trailers: bool,
    /// Whether the body is a stream that its client can reset, as in HTTP/2 and later versions.
    pub(crate) is_stream: bool,
    /// Whether a body of this type can be expected to report the end of its stream in
    /// `is_end_stream`.
    says_end: bool,
}

impl Announced {
    /// Returns what the head of a request announces about its body, which has the type `B`.
    pub(crate) fn of<B>(version: Version, headers: &HeaderMap, body: &SizeHint) -> Self {
        let bare = Self::without_fields::<B>(version, body);
        Self {
            // The exact length that the body itself reports takes precedence over `Content-Length`:
            // inside a process, the body knows its length better than the head does.
            length: bare.length.or_else(|| content_length(headers)),
            trailers: headers.contains_key(TRAILER),
            ..bare
        }
    }

    /// Returns what is known about the body of a request whose head has neither `Content-Length`
    /// nor `Trailer`.
    pub(crate) fn without_fields<B>(version: Version, body: &SizeHint) -> Self {
        let is_stream = version >= Version::HTTP_2;
        Self {
            length: body.exact(),
            trailers: false,
            is_stream,
            says_end: is_stream && should_say_end::<B>(),
        }
    }

    /// Returns the length that a live copy declares. It is `None` if trailers are announced,
    /// because HTTP/1.1 can carry them only after a chunked body.
    pub(crate) fn live_length(&self) -> Option<u64> {
        self.length.filter(|_| !self.trailers)
    }

    /// Returns whether a body may end after this many bytes. This is so unless another length was
    /// declared.
    pub(crate) fn is_whole(&self, bytes: u64) -> bool {
        self.length.is_none_or(|length| length == bytes)
    }

    /// Returns whether this many bytes are all declared bytes, so that no more data can follow even
    /// if the end has not been read.
    pub(crate) fn is_reached(&self, bytes: u64) -> bool {
        self.length == Some(bytes)
    }

    /// Returns whether a body that has just ended was aborted by its client before it was complete.
    pub(crate) fn is_cut(&self, bytes: u64, says_ended: bool) -> bool {
        let is_complete = self.is_reached(bytes) && !self.trailers;
        !self.is_whole(bytes) || (self.says_end && !says_ended && !is_complete)
    }

    /// Returns why a body that ended in an error was lost. On a server, an HTTP/2 stream ends in an
    /// error only if the client resets the stream, violates the protocol or disconnects. The server
    /// may notice this error first or the loss of its client first. This is a matter of chance, and
    /// the outcome must not depend on it.
    pub(crate) fn broken(&self) -> Lost {
        match self.says_end {
            true => Lost::ClientAborted,
            false => Lost::BodyError,
        }
    }
}

/// Returns the value of `Content-Length`. It is `None` if the values contradict each other, or if a
/// transfer coding overrides them (RFC 9112, section 6.3).
fn content_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = parse(lengths.next()?)?;
    lengths
        .all(|length| parse(length) == Some(first))
        .then_some(first)
}

fn parse(length: &HeaderValue) -> Option<u64> {
    let is_number = length.as_bytes().iter().all(u8::is_ascii_digit);
    is_number
        .then(|| length.to_str().ok()?.parse().ok())
        .flatten()
}

/// Returns whether a client sends all of these trailers over HTTP/1.1. RFC 9110, section 6.5.1,
/// forbids trailers that frame, route or describe the body, and hyper drops such trailers without
/// an error.
pub(super) fn are_sendable(trailers: &HeaderMap) -> bool {
    const FORBIDDEN: [HeaderName; 12] = [
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        MAX_FORWARDS,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
    ];
    !trailers.keys().any(|name| FORBIDDEN.contains(name))
}
