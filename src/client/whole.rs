//! Bodies of requests that break off where they would otherwise end early, or lose their trailers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{HeaderMap, TRAILER};
use http::{HeaderName, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;
use crate::stream_end::says_end;
use crate::tokens::tokens;

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
            None if *this.says_end && !this.inner.is_end_stream() => Some(Err(BrokenOff(
                "its client reset the stream before the end of the body",
            )
            .into())),
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

pin_project! {
    /// A body that breaks off where it would lose a trailer: over HTTP/1.1 hyper sends only those that the head has named, and
    /// drops the others unseen.
    #[derive(Debug)]
    pub(super) struct Declared<B> {
        #[pin]
        inner: B,
        names: Vec<HeaderName>,
    }
}

impl<B> Declared<B> {
    /// Lets those trailers pass that `headers` name.
    pub(super) fn new(inner: B, headers: &HeaderMap) -> Self {
        let names = tokens(headers, &TRAILER)
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .collect();
        Self { inner, names }
    }
}

impl<B> Body for Declared<B>
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
        let this = self.project();
        let frame = match ready!(this.inner.poll_frame(cx)) {
            Some(frame) => frame.map_err(Into::into),
            None => return Poll::Ready(None),
        };
        if let Some(trailers) = frame.as_ref().ok().and_then(Frame::trailers_ref) {
            if !trailers.keys().all(|name| this.names.contains(name)) {
                return Poll::Ready(Some(Err(BrokenOff(
                    "the body ends in trailers that its head did not name",
                )
                .into())));
            }
        }
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[derive(Debug)]
struct BrokenOff(&'static str);

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BrokenOff {}
