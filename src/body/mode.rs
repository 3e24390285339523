//! `BodyMode`: which body a copy has.

/// Which body the copy has.
///
/// # Example
///
/// ```
/// use tower_mirror::{BodyMode, HttpTarget, MirrorLayer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shadow = HttpTarget::new("http://127.0.0.1:9002")?;
/// let uploads = MirrorLayer::builder(shadow).body_mode(BodyMode::Streaming).build();
/// # let _ = uploads;
/// # Ok(())
/// # }
/// ```
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
    /// [behind](crate::MirrorBuilder::lag_window). The copy of a shadow that falls further behind is aborted
    /// (`lagged`), and the primary never waits for it. A body that breaks off, or that the primary does not read to its end, reaches
    /// the shadow as an aborted request, never as a shorter whole one.
    ///
    /// HTTP/1.1 carries only the trailers that the head names. An [`HttpTarget`](crate::client::HttpTarget)
    /// aborts a copy that would lose one; other clients may drop it silently.
    ///
    /// For uploads too large to hold, and for streams that both sides write at once. `max_body_bytes` does not apply;
    /// [`capture_timeout`](crate::MirrorBuilder::capture_timeout) bounds the pauses between frames, and `timeout` runs from the end of the
    /// request's body.
    Streaming,
    /// No body: the copy is only the head. It is sent at once, with `Content-Length: 0`
    /// if the method expects a body.
    HeadOnly,
}
