//! What the primary reads.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
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
    #[derive(Debug)]
    pub struct TeeBody<B> {
        #[pin]
        inner: B,
        capture: Option<Capture>,
    }
}

impl<B> TeeBody<B> {
    pub(crate) fn new(inner: B, capture: Option<Capture>) -> Self {
        Self { inner, capture }
    }

    /// The request's own body.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// Gives the request's own body back. What is read of it from here on is not
    /// copied: a copy that was being taken ends as `unread`.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.inner
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
            match &polled {
                Some(Ok(frame)) => {
                    if let Some(capture) = capture.frame(frame) {
                        // A reader of a known length, or of trailers, never asks for the final `None`.
                        if frame.is_trailers() || this.inner.is_end_stream() {
                            capture.end();
                        } else {
                            *this.capture = Some(capture);
                        }
                    }
                }
                Some(Err(_)) => capture.lose(Lost::BodyError),
                None => capture.end(),
            }
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
