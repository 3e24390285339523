//! Trailers over HTTP/1.1, where hyper sends only those that the head has named, and drops the others unseen.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderName;
use http::header::{HeaderMap, TRAILER};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;
use crate::headers::tokens;

pin_project! {
    /// A body that breaks off where it would lose a trailer.
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
                return Poll::Ready(Some(Err(UndeclaredTrailers.into())));
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
struct UndeclaredTrailers;

impl fmt::Display for UndeclaredTrailers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body ends in trailers that its head did not name")
    }
}

impl std::error::Error for UndeclaredTrailers {}
