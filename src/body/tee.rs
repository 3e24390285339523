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
        copying: Option<Copying<B>>,
    }

    impl<B> PinnedDrop for TeeBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(Copying { capture, read_on: Some(read_on) }) = this.copying.take() {
                read_on(this.inner, capture);
            }
        }
    }
}

/// Without the body itself, whose own form may show bytes.
impl<B> fmt::Debug for TeeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TeeBody")
            .field("is_copied", &self.copying.is_some())
            .finish_non_exhaustive()
    }
}

struct Copying<B> {
    capture: Capture,
    /// For what the primary leaves.
    read_on: Option<ReadOn<B>>,
}

/// A pointer, since a destructor knows nothing of `B`.
type ReadOn<B> = fn(Pin<&mut B>, Capture);

impl<B> TeeBody<B> {
    pub(crate) fn new(inner: B, capture: Option<Capture>) -> Self {
        let copying = capture.map(|capture| Copying {
            capture,
            read_on: None,
        });
        Self { inner, copying }
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
        if let Some(copying) = &mut self.copying {
            copying.read_on = Some(read_on);
        }
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
        let Some(copying) = this.copying else {
            return this.inner.poll_frame(cx);
        };
        let polled = ready!(this.inner.as_mut().poll_frame(cx));
        if !copy(&mut copying.capture, &polled, &*this.inner) {
            *this.copying = None;
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

/// Takes what was read, and says whether there may be more: else the copy has ended, whole or not.
fn copy<B: Body<Data = Bytes>>(
    capture: &mut Capture,
    polled: &Option<Result<Frame<Bytes>, B::Error>>,
    inner: &B,
) -> bool {
    match polled {
        Some(Ok(frame)) => {
            if let Err(lost) = capture.frame(frame) {
                capture.lose(lost);
                return false;
            }
            // A reader of a known length, or of trailers, never asks for the final `None`.
            if !frame.is_trailers() && !inner.is_end_stream() {
                return true;
            }
            capture.end();
        }
        Some(Err(_)) => capture.lose(Lost::BodyError),
        None => capture.end(),
    }
    false
}

/// What was not read, for as long as it is there at once.
fn read_on<B: Body<Data = Bytes>>(mut inner: Pin<&mut B>, mut capture: Capture) {
    let mut cx = Context::from_waker(Waker::noop());
    // Between the buffer and this there may be a user's body, which may panic, and
    // maybe the primary panics already. What the copy held goes in here too.
    let _ = catch_unwind(AssertUnwindSafe(move || {
        while let Poll::Ready(polled) = inner.as_mut().poll_frame(&mut cx) {
            if !copy(&mut capture, &polled, &*inner) {
                return;
            }
        }
    }));
}
