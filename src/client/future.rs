//! The future of a response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;

use super::body::ResponseBody;
use super::error::Error;
use super::http1::{Failed, Sending};

/// The response of an [`HttpTarget`](super::HttpTarget).
///
/// Dropping it aborts the request: over HTTP/1.1 by closing its connection, over HTTP/2 by resetting its stream.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    state: State,
}

enum State {
    /// A connection was at hand.
    Http1(Sending),
    /// What takes longer, or has no name.
    Boxed(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Error>> + Send>>),
}

impl ResponseFuture {
    pub(super) fn http1(sending: Sending) -> Self {
        Self {
            state: State::Http1(sending),
        }
    }

    pub(super) fn boxed(
        future: impl Future<Output = Result<Response<ResponseBody>, Error>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Boxed(Box::pin(future)),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.state {
                State::Boxed(future) => return future.as_mut().poll(cx),
                State::Http1(sending) => match ready!(sending.poll(cx)) {
                    Ok(answer) => return Poll::Ready(Ok(answer)),
                    Err(Failed::Sent(error)) => return Poll::Ready(Err(error)),
                    Err(Failed::Unsent(unsent)) => *self = Self::boxed(unsent.again()),
                },
            }
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
