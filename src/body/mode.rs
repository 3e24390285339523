//! How the copy's body comes about.

/// What body the copy has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyMode {
    /// The request's own, taken frame by frame as the primary reads it, and sent
    /// once it has ended. A body that the primary does not read to its end has no
    /// copy. The default.
    #[default]
    Buffered,
    /// The request's own, relayed live: the copy begins with the head, and frames go to the
    /// shadow as the primary reads them, trailers included, through a window of what the shadow may be
    /// [behind](crate::MirrorBuilder::lag_window). A shadow that falls further behind is given up
    /// (`lagged`), and the primary never waits for it. A body that breaks off, or that the primary does not read to its end, reaches
    /// the shadow as an aborted request, never as a shorter whole one.
    ///
    /// HTTP/1.1 carries those trailers alone that the head names. An [`HttpTarget`](crate::client::HttpTarget)
    /// breaks off a copy that would lose one; other clients may drop it unseen.
    ///
    /// For uploads too large to hold, and for streams that both sides write at once. `max_body_bytes` does not apply;
    /// [`capture_timeout`](crate::MirrorBuilder::capture_timeout) bounds the pauses between frames, and `timeout` runs from the end of the
    /// request's body.
    Streaming,
    /// None: the copy is the head alone, sent at once, with `Content-Length: 0`
    /// where the method expects a body.
    HeadOnly,
}
