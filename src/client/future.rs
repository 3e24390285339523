//! The future of a response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use super::body::ResponseBody;
use super::error::Error;

type Inner = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Error>> + Send>>;

/// The response of an [`HttpTarget`](super::HttpTarget).
///
/// Dropping it aborts the request: over HTTP/1.1 by closing its connection, over HTTP/2 by resetting its stream.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    // Boxed, because hyper's own futures have no name.
    inner: Inner,
}

impl ResponseFuture {
    pub(super) fn new(
        future: impl Future<Output = Result<Response<ResponseBody>, Error>> + Send + 'static,
    ) -> Self {
        Self {
            inner: Box::pin(future),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
