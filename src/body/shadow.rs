//! What the shadow reads.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    capture::CaptureOwner,
    queue::{Queue, Revoked},
};

/// The copy's body: a view on frames that the mirror owns.
///
/// Its length is known, unless trailers follow or it is relayed live from a body of unknown
/// length. Once the copy has ended in any
/// way, at a deadline say, the frames are gone and whoever still reads gets
/// [`ShadowBodyError`], never an early end.
#[derive(Debug)]
pub struct ShadowBody {
    /// `None`: a copy without a body.
    queue: Option<Arc<Queue>>,
}

impl ShadowBody {
    pub(crate) fn empty() -> Self {
        Self { queue: None }
    }

    pub(crate) fn of(recording: &CaptureOwner) -> Self {
        Self {
            queue: Some(recording.queue()),
        }
    }
}

impl Body for ShadowBody {
    type Data = Bytes;
    type Error = ShadowBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ShadowBodyError>>> {
        let Some(queue) = &self.queue else {
            return Poll::Ready(None);
        };
        Poll::Ready(match ready!(queue.poll_next(cx)) {
            Ok(frame) => frame.map(Ok),
            Err(Revoked) => Some(Err(ShadowBodyError { _private: () })),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.is_at_end())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.queue {
            Some(queue) => queue.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// The copy was given up before its body was read.
#[derive(Debug)]
pub struct ShadowBodyError {
    _private: (),
}

impl fmt::Display for ShadowBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mirror gave this copy up before its body was read")
    }
}

impl Error for ShadowBodyError {}
