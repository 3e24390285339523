//! `Announced`: what the head of a request says about its body, and whether a body that ended is complete.

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

/// What the head announces. A body that ends in another way was aborted by its client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Announced {
    /// Bytes of the whole body.
    pub(crate) length: Option<u64>,
    /// Whether a `Trailer` field names trailers.
    pub(crate) trailers: bool,
    /// Whether the body is a stream of its own, as in HTTP/2, which its client can reset.
    pub(crate) is_stream: bool,
    /// Whether the body says when its stream has ended.
    says_end: bool,
}

impl Announced {
    /// Of a request whose body is a `B`.
    pub(crate) fn of<B>(version: Version, headers: &HeaderMap, body: &SizeHint) -> Self {
        let bare = Self::without_fields::<B>(version, body);
        Self {
            // Inside a process, what the body knows of itself is more than what its head says.
            length: bare.length.or_else(|| content_length(headers)),
            trailers: headers.contains_key(TRAILER),
            ..bare
        }
    }

    /// Of a request whose head has neither `Content-Length` nor `Trailer`.
    pub(crate) fn without_fields<B>(version: Version, body: &SizeHint) -> Self {
        let is_stream = version >= Version::HTTP_2;
        Self {
            length: body.exact(),
            trailers: false,
            is_stream,
            says_end: is_stream && should_say_end::<B>(),
        }
    }

    /// The length that a live copy declares: none where trailers are announced, since HTTP/1.1 carries them only behind
    /// a chunked body.
    pub(crate) fn live_length(&self) -> Option<u64> {
        self.length.filter(|_| !self.trailers)
    }

    /// Whether a body of this many bytes may end, as far as its length shows.
    pub(crate) fn is_whole(&self, bytes: u64) -> bool {
        self.length.is_none_or(|length| length == bytes)
    }

    /// Whether a body of this many bytes is complete although its end has not been read.
    pub(crate) fn is_reached(&self, bytes: u64) -> bool {
        self.length == Some(bytes)
    }

    /// Whether a body that has just yielded its last frame was aborted.
    pub(crate) fn is_cut(&self, bytes: u64, says_ended: bool) -> bool {
        let is_complete = self.is_reached(bytes) && !self.trailers;
        !self.is_whole(bytes) || (self.says_end && !says_ended && !is_complete)
    }

    /// What an error of the body means. A server's HTTP/2 stream ends in one only if its client resets the stream,
    /// breaks its rules or goes away; what the server notices first, this or the loss of its client, is a matter
    /// of chance, and must not decide on the name.
    pub(crate) fn broken(&self) -> Lost {
        match self.says_end {
            true => Lost::ClientAborted,
            false => Lost::BodyError,
        }
    }
}

/// The declared length, unless a transfer coding overrides it (RFC 9112, section 6.3).
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

/// Whether clients pass on all of these trailers over HTTP/1.1. RFC 9110, section 6.5.1, forbids
/// those that frame, route or describe the body; hyper drops them without an error.
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
