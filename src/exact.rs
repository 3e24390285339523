//! A request that must not lose its trailers.

/// An extension of copies that are relayed live, whose trailers are not known when their head is
/// sent: a connection that cannot carry them must break the copy off, not drop them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExactTrailers;
