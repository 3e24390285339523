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
    /// The primary's body: the request's own, frame for frame, with a copy taken
    /// as the primary reads it.
    ///
    /// It reads nothing that the primary does not read and waits for nothing but
    /// the body itself. For a request that is not mirrored, every call goes straight
    /// through.
    ///
    /// What the primary leaves of a body is read on for the copy only where that changes nothing for its client:
    /// what a [`RequestBodyBufferLayer`](crate::RequestBodyBufferLayer) has already read whole; what follows a declared length; and, after a
    /// successful answer, what a handler leaves behind its own end marker, as multipart parsers do. This is bounded
    /// by 64 KiB and 250 ms, and done on the copy's task.
    ///
    /// # Example
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::{BodyExt, Full};
    /// use tower_mirror::{BoxError, TeeBody};
    ///
    /// /// A primary that names the type of its request's body.
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

/// A body with its copy. Boxed, since the rest of it may outlive the primary.
struct Copied<B> {
    /// `None` after its end only.
    body: Option<Pin<Box<B>>>,
    /// `None` once the copy has ended, whole or not.
    capture: Option<CaptureWriter>,
    /// Whether the body is being polled, or has panicked when it was.
    is_in_poll: bool,
    /// A pointer, since a destructor knows nothing of `B`.
    leave: fn(Pin<Box<B>>, CaptureWriter),
}

impl<B> Copied<B> {
    fn leave(&mut self) {
        self.lose_if_panicked();
        if let (Some(body), Some(capture)) = (self.body.take(), self.capture.take()) {
            (self.leave)(body, capture);
        }
    }

    /// What a body that panicked still gives, if anything, is not what the primary has read.
    fn lose_if_panicked(&mut self) {
        if self.is_in_poll {
            if let Some(capture) = self.capture.take() {
                capture.broken();
            }
        }
    }
}

/// Without the body itself, whose own form may show bytes.
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
    /// A body without a copy.
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

    /// A body that is [in memory](BodyIsBuffered), or was made of one: what the primary leaves of it is copied too.
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
            // The primary has not asked whether this was the end: what panics here must not reach it.
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

/// The primary has dropped a body that did not end.
fn leave<B>(body: Pin<Box<B>>, capture: CaptureWriter)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    if !capture.has_begun() {
        // Over HTTP/1.1, a body that nobody has asked for must not be asked for now: its client may wait for
        // `100 Continue`.
        if capture.is_of_stream() {
            leave_unread(body, capture);
        }
    } else if !capture.is_reached() {
        capture.leave(body);
    } else if let Some((body, capture)) = read_on(body, capture) {
        // Only the end or trailers can follow, and they are not here yet.
        if !capture.stop() {
            capture.leave(body);
        }
    }
}

/// The most frames that are looked at of a stream that nobody has read.
const MOST_FRAMES: usize = 64;

/// A stream of which nothing was read. It may have ended without a byte, and then it was read whole; or its client may
/// have reset it. What it holds besides, its drop would throw away, and so does this.
fn leave_unread<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>, mut capture: CaptureWriter) {
    let mut cx = Context::from_waker(Waker::noop());
    // See `read_on`.
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

/// Reads for the copy what is there at once. Gives both back if there is more to come, or nothing
/// but empty frames: this runs on the primary's task, and must end.
fn read_on<B: Body<Data = Bytes>>(
    mut body: Pin<Box<B>>,
    mut capture: CaptureWriter,
) -> Option<(Pin<Box<B>>, CaptureWriter)> {
    let mut cx = Context::from_waker(Waker::noop());
    // Between a buffer and this there may be a user's body, which may panic, and
    // maybe the primary panics already. What the copy held goes in here too.
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
