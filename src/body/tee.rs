//! What the primary reads.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{capture::Capture, end::Lost};

pin_project! {
    /// The primary's body: the request's own, frame for frame, with a copy taken
    /// as the primary reads it.
    ///
    /// It reads nothing that the primary does not read and waits for nothing but
    /// the body itself. Of a request that is not mirrored, every call goes straight
    /// through.
    ///
    /// One exception: what the primary leaves of a body that a [`BufferLayer`](crate::BufferLayer) has
    /// already read whole is taken for the copy when the primary lets go of it.
    pub struct TeeBody<B> {
        #[pin]
        inner: B,
        capture: Option<Capture>,
        read_on: Option<ReadOn<B>>,
    }

    impl<B> PinnedDrop for TeeBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let (Some(capture), Some(read_on)) = (this.capture.take(), this.read_on) {
                read_on(this.inner, capture);
            }
        }
    }
}

/// Without the body itself, whose own form may show bytes.
impl<B> fmt::Debug for TeeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TeeBody")
            .field("is_copied", &self.capture.is_some())
            .finish_non_exhaustive()
    }
}

/// A pointer, since a destructor knows nothing of `B`.
type ReadOn<B> = fn(Pin<&mut B>, Capture);

impl<B> TeeBody<B> {
    pub(crate) fn new(inner: B, capture: Option<Capture>) -> Self {
        Self {
            inner,
            capture,
            read_on: None,
        }
    }

    /// The request's own body.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl<B: Body<Data = Bytes>> TeeBody<B> {
    /// For a body that is [in memory](super::InMemory): what the primary leaves of it is copied too.
    #[must_use]
    pub(crate) fn reading_on(mut self) -> Self {
        self.read_on = Some(read_on);
        self
    }
}

impl<B: Body<Data = Bytes>> Body for TeeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if this.capture.is_none() {
            return this.inner.poll_frame(cx);
        }
        let polled = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(capture) = this.capture.take() {
            *this.capture = copy(capture, &polled, &*this.inner);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Takes what was read. `None`: the copy has ended, whole or not.
fn copy<B: Body<Data = Bytes>>(
    capture: Capture,
    polled: &Option<Result<Frame<Bytes>, B::Error>>,
    inner: &B,
) -> Option<Capture> {
    match polled {
        Some(Ok(frame)) => {
            let capture = capture.frame(frame)?;
            // A reader of a known length, or of trailers, never asks for the final `None`.
            if !frame.is_trailers() && !inner.is_end_stream() {
                return Some(capture);
            }
            capture.end();
        }
        Some(Err(_)) => capture.lose(Lost::BodyError),
        None => capture.end(),
    }
    None
}

/// What was not read, for as long as it is there at once.
fn read_on<B: Body<Data = Bytes>>(mut inner: Pin<&mut B>, capture: Capture) {
    let mut cx = Context::from_waker(Waker::noop());
    // Between the buffer and this there may be a user's body, which may panic, and
    // maybe the primary panics already.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let mut capturing = Some(capture);
        while let Some(capture) = capturing.take() {
            let Poll::Ready(polled) = inner.as_mut().poll_frame(&mut cx) else {
                return;
            };
            capturing = copy(capture, &polled, &*inner);
        }
    }));
}
