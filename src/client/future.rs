//! The future of a response.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};

use super::body::ResponseBody;
use super::error::Error;
use super::http1::{Failed, Sending};
use super::pool::{Connection, Pool};
use super::upload::RequestBody;

/// The response of an [`HttpTarget`](super::HttpTarget).
///
/// Dropping it aborts the request: over HTTP/1.1 by closing its connection, over HTTP/2 by resetting its stream.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    state: State,
}

enum State {
    /// A connection was at hand.
    Http1(Arc<Pool>, Sending),
    /// What takes longer, or has no name.
    Boxed(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Error>> + Send>>),
}

impl ResponseFuture {
    /// Sends a request that is [fit](super::request::fit) for the connection's version.
    pub(super) fn new(connection: Connection, request: Request<RequestBody>) -> Self {
        match connection {
            Connection::Http1(pool, lease) => match lease.into_use() {
                Some(connection) => {
                    let sending = Sending::new(connection, request, &pool.connector.settings);
                    Self {
                        state: State::Http1(pool, sending),
                    }
                }
                None => Self::boxed(ready(Err(Error::closed()))),
            },
            Connection::Http2(pool, sender) => Self::boxed(pool.exchange(sender, request)),
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
                State::Http1(pool, sending) => match ready!(sending.poll(cx)) {
                    Ok(answer) => return Poll::Ready(Ok(answer)),
                    Err(Failed::Sent(error)) => return Poll::Ready(Err(error)),
                    Err(Failed::Unsent(request)) => {
                        let again = pool.clone().resend(*request);
                        *self = Self::boxed(again);
                    }
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
