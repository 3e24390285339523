//! A word about a body, from the layer that has read it to the one that copies it.

use http_body::SizeHint;

/// An extension of a request whose body was read whole before it was passed on: to read on waits
/// for nobody and takes nothing from the client that was not taken already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMemory {
    /// Bytes of the body.
    pub(crate) bytes: u64,
    pub(crate) has_trailers: bool,
}

impl InMemory {
    /// Whether this is said of a body with such a length. Extensions stay with a request whose body was replaced, and
    /// the frames of another body may be slices of a connection's read buffer.
    pub(crate) fn is_of(self, length: &SizeHint) -> bool {
        match self.has_trailers {
            true => length.lower() == self.bytes && length.upper().is_none(),
            false => length.exact() == Some(self.bytes),
        }
    }
}
