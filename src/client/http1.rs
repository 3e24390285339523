//! HTTP/1.1: a connection serves one request at a time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::body::{RequestBody, ResponseBody};
use super::error::Error;
use super::in_use::InUse;
use super::pool::Pool;

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// A request on a connection.
pub(super) struct Sending {
    pool: Arc<Pool>,
    /// Until the answer has it. Dropped before hyper's future, which closes the connection.
    connection: Option<InUse>,
    // Boxed, because hyper's own future has no name.
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

pub(super) enum Failed {
    /// Its connection was closing.
    Unsent(Box<Unsent>),
    Sent(Error),
}

/// A request that can be sent once more.
pub(super) struct Unsent {
    pool: Arc<Pool>,
    request: Request<RequestBody>,
}

impl Sending {
    pub(super) fn new(
        pool: Arc<Pool>,
        mut connection: InUse,
        request: Request<RequestBody>,
    ) -> Self {
        let answer = Box::pin(connection.sender.send.try_send_request(request));
        Self {
            pool,
            connection: Some(connection),
            answer,
        }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResponseBody>, Failed>> {
        let answer = ready!(self.answer.as_mut().poll(cx));
        let connection = self.connection.take();
        Poll::Ready(match answer {
            Ok(answer) => Ok(answer.map(|body| ResponseBody::http1(body, connection))),
            Err(mut failed) => Err(match failed.take_message() {
                Some(request) => Failed::Unsent(Box::new(Unsent {
                    pool: self.pool.clone(),
                    request,
                })),
                None => Failed::Sent(Error::transport(failed.into_error())),
            }),
        })
    }
}

impl Unsent {
    /// On a fresh connection.
    pub(super) async fn again(self) -> Result<Response<ResponseBody>, Error> {
        self.pool.resend(self.request).await
    }
}

/// The one more time.
pub(super) async fn send(
    pool: Arc<Pool>,
    connection: InUse,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Error> {
    let mut sending = Sending::new(pool, connection, request);
    let sent = poll_fn(|cx| sending.poll(cx)).await;
    sent.map_err(|failed| match failed {
        Failed::Sent(error) => error,
        Failed::Unsent(_) => Error::closed(),
    })
}
