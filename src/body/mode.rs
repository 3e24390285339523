//! How the copy's body comes about.

/// What body the copy has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyMode {
    /// The request's own, taken frame by frame as the primary reads it, and sent
    /// once it has ended. A body that the primary does not read to its end has no
    /// copy. The default.
    #[default]
    Tee,
    /// None: the copy is the head alone, sent at once, with `Content-Length: 0`
    /// where the method expects a body.
    Omit,
}
