//! The head of a response, as the caller gets it.

use std::io;

use http::{HeaderMap, Version};
use hyper::client::conn::{http1, http2};

use super::error::Error;
use super::hop::{self, UnknownCoding};

/// The most bytes of a head, and what each protocol makes of it.
///
/// What is exact is counted [here](fit). hyper's limits come before it, and bound what is received until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimit(usize);

/// What HTTP/2 counts for each field besides its name and value (RFC 9113, section 6.5.2).
const EACH_FIELD: usize = 32;
/// hyper allocates for the most fields of an HTTP/1.1 head with each response, so there are no more than one for so many bytes.
const BYTES_PER_FIELD: usize = 64;
const LEAST_FIELDS: usize = 100;
/// hyper's own limit for a buffer that it reads into, which it also reads bodies with.
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
        // By default hyper has them on the stack.
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

/// Removes what was meant for the connection, and refuses what the caller cannot be given.
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
