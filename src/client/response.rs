//! The limit for the head of a response, and the head as the caller gets it.

use std::io;

use http::{HeaderMap, Version};
use hyper::client::conn::{http1, http2};

use super::error::Error;
use super::hop::{self, UnknownCoding};

/// The most bytes of a head, and the limits of hyper that follow from it.
///
/// [`fit`] counts exactly. The limits of hyper bound what is received before.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimit(usize);

/// What HTTP/2 counts for each field besides its name and value (RFC 9113, section 6.5.2).
const EACH_FIELD: usize = 32;
/// For each response over HTTP/1.1, hyper allocates memory for the most fields of a head. So this number follows from the bytes.
const BYTES_PER_FIELD: usize = 64;
const LEAST_FIELDS: usize = 100;
/// The default of hyper for the buffer with which it reads heads and bodies.
const READ_BUFFER: usize = 8192 + 4096 * 100;
/// h2 refuses a head above its limit by a reset that looks as if the head was malformed, so that limit is a multiple of ours.
const HTTP2_MULTIPLE: usize = 4;

impl HeadLimit {
    pub(super) const DEFAULT: Self = Self(64 * 1024);

    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) fn set_http1(self, http1: &mut http1::Builder) {
        let fields = (self.0 / BYTES_PER_FIELD).max(LEAST_FIELDS);
        // By default hyper has space for them on the stack.
        if fields > LEAST_FIELDS {
            http1.max_headers(fields);
        }
        http1.max_buf_size(self.0.saturating_mul(2).max(READ_BUFFER));
    }

    pub(super) fn set_http2<E>(self, http2: &mut http2::Builder<E>)
    where
        E: Clone,
    {
        let bytes = self.0.saturating_mul(HTTP2_MULTIPLE);
        http2.max_header_list_size(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}

/// Removes the fields that were meant for the connection, and refuses a head that is too large or cannot be forwarded.
pub(super) fn fit(
    headers: &mut HeaderMap,
    version: Version,
    limit: HeadLimit,
) -> Result<(), Error> {
    let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + EACH_FIELD
    };
    if headers.iter().map(size).sum::<usize>() > limit.0 {
        return Err(Error::response_head());
    }
    if version == Version::HTTP_2 {
        return Ok(());
    }
    hop::strip(headers).map(drop).map_err(|UnknownCoding| {
        let coding = "the response has a transfer coding that was not asked for";
        Error::io(io::Error::new(io::ErrorKind::InvalidData, coding))
    })
}
