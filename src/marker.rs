//! The name of the header that marks copies, and the private types with which modules mark requests
//! and errors for each other.

use std::{error::Error, fmt};

use http::HeaderName;
use http_body::SizeHint;

/// The default name of the header that a mirror writes and that a shadow looks for.
pub(crate) static MARK: HeaderName = HeaderName::from_static("x-mirrored-by");

/// An extension of copies that are relayed live. Their trailers are not known when their head is
/// sent. A connection that cannot send the trailers must abort the copy, and must not drop the
/// trailers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepTrailers;

/// An extension of a request whose whole body was read before the request was forwarded. Reading
/// this body never waits, and takes nothing more from the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyIsBuffered {
    /// The length of the body in bytes.
    pub(crate) bytes: u64,
    pub(crate) has_trailers: bool,
}

impl BodyIsBuffered {
    /// Whether this extension describes a body with this length. The check is necessary because a
    /// request keeps its extensions when its body is replaced, and the frames of another body may
    /// be slices of a connection's read buffer.
    pub(crate) fn describes(self, length: &SizeHint) -> bool {
        match self.has_trailers {
            true => length.lower() == self.bytes && length.upper().is_none(),
            false => length.exact() == Some(self.bytes),
        }
    }
}

/// A source of an error, which means that the server answered with a head that is larger than the
/// limit. With it, `mirror` can distinguish this case from a failed connection, and does not depend
/// on the module `client`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OversizedHead;

impl fmt::Display for OversizedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its size exceeds the limit")
    }
}

impl Error for OversizedHead {}
