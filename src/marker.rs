//! The header that marks copies, and the private marks that modules leave for each other on requests and errors.

use std::{error::Error, fmt};

use http::HeaderName;
use http_body::SizeHint;

/// The default name of the header that a mirror writes and that a shadow looks for.
pub(crate) static MARK: HeaderName = HeaderName::from_static("x-mirrored-by");

/// An extension of copies that are relayed live, whose trailers are not known when their head is sent: a connection
/// that cannot carry the trailers must abort the copy and must not drop them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepTrailers;

/// An extension of a request whose whole body was read before the request was passed on. Reading this body further waits
/// for nobody, and takes nothing from the client that was not taken already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyIsBuffered {
    /// Bytes of the body.
    pub(crate) bytes: u64,
    pub(crate) has_trailers: bool,
}

impl BodyIsBuffered {
    /// Whether this describes a body of such a length. Extensions stay with a request whose body was replaced, and
    /// the frames of another body may be slices of a connection's read buffer.
    pub(crate) fn describes(self, length: &SizeHint) -> bool {
        match self.has_trailers {
            true => length.lower() == self.bytes && length.upper().is_none(),
            false => length.exact() == Some(self.bytes),
        }
    }
}

/// A source of an error which says that the server answered with a head that is larger than the limit. With it,
/// `mirror` can distinguish this from a connection that failed, and does not need to know the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OversizedHead;

impl fmt::Display for OversizedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its size exceeds the limit")
    }
}

impl Error for OversizedHead {}
