//! The `BodyMode` enum.

/// Selects the body of a copy.
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
    /// The copy has the request's body. It is captured frame by frame as the primary reads it, and
    /// is sent once it has ended. If the primary does not read a body to its end, there is no copy.
    /// This mode is the default.
    #[default]
    Buffered,
    /// The copy has the request's body, relayed live. The head is sent first. Then each frame,
    /// trailers included, goes to the shadow as the primary reads it. The shadow may fall
    /// [behind](crate::MirrorBuilder::lag_window) by a limited window. If it falls further behind,
    /// its copy is aborted (`lagged`); the primary never waits for it. If a body breaks off, or the
    /// primary does not read it to its end, the shadow sees an aborted request, never a shorter one
    /// that looks complete.
    ///
    /// Over HTTP/1.1, only the trailers that the head names can be sent. An
    /// [`HttpTarget`](crate::client::HttpTarget) aborts a copy that would lose a trailer; other
    /// clients may drop the trailer silently.
    ///
    /// Use this mode for uploads that are too large to hold in memory, and for streams in which
    /// both sides send at the same time. `max_body_bytes` does not apply.
    /// [`capture_timeout`](crate::MirrorBuilder::capture_timeout) limits the pauses between frames,
    /// and `timeout` starts at the end of the request's body.
    Streaming,
    /// The copy has no body. It is sent at once, with `Content-Length: 0` if the method expects a
    /// body.
    HeadOnly,
}
