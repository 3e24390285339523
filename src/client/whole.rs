//! A request's body that came over HTTP/2, whose stream its client may have reset.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;
use crate::stream_end::says_end;

pin_project! {
    /// A body that breaks off where its client has reset the stream: hyper reports `NO_ERROR` as an ordinary end, and
    /// a proxy would send on a whole but shorter body.
    #[derive(Debug)]
    pub(super) struct Whole<B> {
        #[pin]
        inner: B,
        says_end: bool,
    }
}

impl<B> Whole<B> {
    /// `version`: that of the request, as it was received.
    pub(super) fn new(inner: B, version: Version) -> Self {
        let says_end = version == Version::HTTP_2 && says_end::<B>();
        Self { inner, says_end }
    }
}

impl<B> Body for Whole<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        Poll::Ready(match ready!(this.inner.as_mut().poll_frame(cx)) {
            Some(frame) => Some(frame.map_err(Into::into)),
            None if *this.says_end && !this.inner.is_end_stream() => Some(Err(CutOff.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[derive(Debug)]
struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its client reset the stream before the end of the body")
    }
}

impl std::error::Error for CutOff {}
