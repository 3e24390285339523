//! `TeeBody`: the body that the primary reads.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{capture::CaptureWriter, rest::MOST_EMPTY};
use crate::{guard::guarded, marker::BodyIsBuffered};

pin_project! {
    /// The body that the primary reads. It yields the frames of the request's body unchanged, and a
    /// copy of each frame is taken as the primary reads it.
    ///
    /// It reads only what the primary reads, and waits only for the request's body. If a request is
    /// not mirrored, every call is forwarded directly.
    ///
    /// If the primary does not read a body to its end, the mirror reads on for the copy only if the
    /// primary's client cannot notice this. It does so in three cases: a
    /// [`RequestBodyBufferLayer`](crate::RequestBodyBufferLayer) has already read the whole body;
    /// all declared bytes have been read; or the primary has answered with success and has left
    /// only what follows its own end marker, as multipart parsers do. Data that is in memory is
    /// copied when the primary drops the body. Otherwise the mirror reads on the copy's task, and
    /// reads at most 64 KiB and for at most 250 ms.
    ///
    /// # Example
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::{BodyExt, Full};
    /// use tower_mirror::{BoxError, TeeBody};
    ///
    /// /// This primary names the type of its request's body.
    /// async fn primary(request: Request<TeeBody<Full<Bytes>>>) -> Result<Response<String>, BoxError> {
    ///     let body = request.into_body().collect().await?.to_bytes();
    ///     Ok(Response::new(format!("{} bytes", body.len())))
    /// }
    /// # let _ = primary;
    /// ```
    pub struct TeeBody<B> {
        #[pin]
        body: Inner<B>,
    }

    impl<B> PinnedDrop for TeeBody<B> {
        fn drop(this: Pin<&mut Self>) {
            if let InnerProjection::Copied { copied } = this.project().body.project() {
                copied.leave();
            }
        }
    }
}

pin_project! {
    #[project = InnerProjection]
    enum Inner<B> {
        Plain {
            #[pin]
            body: B,
        },
        Copied {
            copied: Copied<B>,
        },
    }
}

/// A body and its copy. The body is boxed because its unread rest may outlive the primary.
struct Copied<B> {
    /// `None` only after the end of the body.
    body: Option<Pin<Box<B>>>,
    /// `None` once the capture has ended, with a complete body or not.
    capture: Option<CaptureWriter>,
    /// Whether the body is being polled, or has panicked in a poll.
    is_in_poll: bool,
    /// The function that handles an unfinished body. It is a function pointer because a destructor
    /// cannot require that `B` implements `Body`.
    leave: fn(Pin<Box<B>>, CaptureWriter),
}

impl<B> Copied<B> {
    fn leave(&mut self) {
        self.lose_if_panicked();
        if let (Some(body), Some(capture)) = (self.body.take(), self.capture.take()) {
            (self.leave)(body, capture);
        }
    }

    /// Ends the copy if the body has panicked. Frames that such a body may still yield are not
    /// reliable.
    fn lose_if_panicked(&mut self) {
        if self.is_in_poll {
            if let Some(capture) = self.capture.take() {
                capture.broken();
            }
        }
    }
}

/// Omits the body itself, because its `Debug` output may contain bytes.
impl<B> fmt::Debug for TeeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_copied = match &self.body {
            Inner::Plain { .. } => false,
            Inner::Copied { copied } => copied.capture.is_some(),
        };
        f.debug_struct("TeeBody")
            .field("is_copied", &is_copied)
            .finish_non_exhaustive()
    }
}

impl<B> TeeBody<B> {
    /// Creates a body without a copy.
    pub(crate) fn plain(body: B) -> Self {
        Self {
            body: Inner::Plain { body },
        }
    }
}

impl<B> TeeBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    pub(crate) fn copied(body: B, capture: CaptureWriter) -> Self {
        Self::of(body, capture, leave)
    }

    /// Creates a body with a copy from a body that is [in memory](BodyIsBuffered) or wraps such a
    /// body. The part that the primary does not read is copied too.
    pub(crate) fn copied_from_memory(
        body: B,
        capture: CaptureWriter,
        buffered: BodyIsBuffered,
    ) -> Self {
        let capture = match buffered.describes(&body.size_hint()) {
            true => capture.sharing_all(),
            false => capture,
        };
        Self::of(body, capture, leave_in_memory)
    }

    fn of(body: B, capture: CaptureWriter, leave: fn(Pin<Box<B>>, CaptureWriter)) -> Self {
        Self {
            body: Inner::Copied {
                copied: Copied {
                    body: Some(Box::pin(body)),
                    capture: Some(capture),
                    is_in_poll: false,
                    leave,
                },
            },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for TeeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let copied = match self.project().body.project() {
            InnerProjection::Plain { body } => return body.poll_frame(cx),
            InnerProjection::Copied { copied } => copied,
        };
        copied.lose_if_panicked();
        let Some(body) = &mut copied.body else {
            return Poll::Ready(None);
        };
        copied.is_in_poll = true;
        let polled = body.as_mut().poll_frame(cx);
        copied.is_in_poll = false;
        let polled = ready!(polled);
        if let Some(capture) = &mut copied.capture {
            // The primary did not call `is_end_stream` itself, so a panic in it must not reach the
            // primary.
            let says_ended = || guarded(|| body.is_end_stream());
            if !capture.take(&polled, || says_ended().unwrap_or(false)) {
                copied.capture = None;
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Inner::Plain { body } => body.is_end_stream(),
            Inner::Copied { copied } => {
                copied.body.as_ref().is_none_or(|body| body.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Inner::Plain { body } => body.size_hint(),
            Inner::Copied { copied } => copied
                .body
                .as_ref()
                .map_or(SizeHint::with_exact(0), |body| body.size_hint()),
        }
    }
}

/// Handles a body that the primary has dropped before its end.
fn leave<B>(body: Pin<Box<B>>, capture: CaptureWriter)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    if !capture.has_begun() {
        // Over HTTP/1.1, an unread body must not be polled now, because its client may wait for
        // `100 Continue`.
        if capture.is_of_stream() {
            leave_unread(body, capture);
        }
    } else if !capture.is_reached() {
        capture.leave(body);
    } else if let Some((body, capture)) = read_on(body, capture) {
        // Only the end or trailers can follow, and they have not arrived yet.
        if !capture.stop() {
            capture.leave(body);
        }
    }
}

/// The most frames that are inspected of a stream that the primary has not read.
const MOST_FRAMES: usize = 64;

/// Inspects a stream that the primary has not read at all. The stream may have ended without a
/// byte, and then it counts as read completely; or its client may have reset it. Any data in it is
/// discarded, as it would be when the stream is dropped.
fn leave_unread<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>, mut capture: CaptureWriter) {
    let mut cx = Context::from_waker(Waker::noop());
    // The body is a user's type and may panic; see `read_on`.
    let _ = guarded(move || {
        for _ in 0..MOST_FRAMES {
            let Poll::Ready(polled) = body.as_mut().poll_frame(&mut cx) else {
                if !capture.has_begun() {
                    capture.stop();
                }
                return;
            };
            if !capture.skim(&polled, || body.is_end_stream()) {
                return;
            }
        }
    });
}

fn leave_in_memory<B>(body: Pin<Box<B>>, capture: CaptureWriter)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    read_on(body, capture);
}

/// Reads for the copy the part that is available now. Returns the body and the capture if more is
/// to come, or after too many empty frames: this function runs on the primary's task and must end.
fn read_on<B: Body<Data = Bytes>>(
    mut body: Pin<Box<B>>,
    mut capture: CaptureWriter,
) -> Option<(Pin<Box<B>>, CaptureWriter)> {
    let mut cx = Context::from_waker(Waker::noop());
    // A user's body may wrap the buffered body, and it may panic. This thread may even be panicking
    // already, because a destructor calls this function. The body and the capture are moved into
    // the closure, so that a panic in their destructors is caught too.
    let read = guarded(move || {
        let mut empty = 0;
        while empty <= MOST_EMPTY {
            let Poll::Ready(polled) = body.as_mut().poll_frame(&mut cx) else {
                break;
            };
            empty += usize::from(is_empty(&polled));
            if !capture.take(&polled, || body.is_end_stream()) {
                return None;
            }
        }
        Some((body, capture))
    });
    read.flatten()
}

fn is_empty<E>(polled: &Option<Result<Frame<Bytes>, E>>) -> bool {
    let frame = polled.as_ref().and_then(|frame| frame.as_ref().ok());
    let data = frame.and_then(Frame::data_ref);
    data.is_some_and(Bytes::is_empty)
}
