//! `ShadowBody`: the body that the shadow reads.

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

/// The body of a copy. It is a view of frames that the mirror owns.
///
/// Its length is known, unless trailers follow or it is relayed live from a body of unknown length.
/// Once the copy has ended for any reason, for example at a deadline, the frames are dropped. A
/// reader then receives a [`ShadowBodyError`], never an early end.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::service_fn;
/// use tower_mirror::{BoxError, MirrorLayer, ShadowBody};
///
/// let shadow = service_fn(async |copy: Request<ShadowBody>| {
///     let body = copy.into_body().collect().await?.to_bytes();
///     println!("{} bytes", body.len());
///     Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
/// });
/// let mirror = MirrorLayer::new(shadow);
/// # let _ = mirror;
/// ```
#[derive(Debug)]
pub struct ShadowBody {
    /// `None` if the copy has no body.
    queue: Option<Arc<Queue>>,
}

impl ShadowBody {
    pub(crate) fn empty() -> Self {
        Self { queue: None }
    }

    pub(crate) fn of(capture: &CaptureOwner) -> Self {
        Self {
            queue: Some(capture.queue()),
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

/// The error of a [`ShadowBody`] whose copy the mirror aborted before the body was read.
///
/// # Example
///
/// ```
/// use http_body_util::BodyExt;
/// use tower_mirror::{ShadowBody, body::ShadowBodyError};
///
/// /// Returns the error of an aborted copy, so that the copy does not look like a shorter body.
/// async fn length(body: ShadowBody) -> Result<usize, ShadowBodyError> {
///     Ok(body.collect().await?.to_bytes().len())
/// }
/// # let _ = length;
/// ```
#[derive(Debug)]
pub struct ShadowBodyError {
    _private: (),
}

impl fmt::Display for ShadowBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mirror aborted this copy before its body was read")
    }
}

impl Error for ShadowBodyError {}
