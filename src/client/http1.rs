//! HTTP/1.1: a connection serves one request at a time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::{Either, select};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::sync::oneshot;

use super::body::{RequestBody, ResponseBody};
use super::connect::Connector;
use super::error::Error;
use super::idle::{Asked, Idle, Lease, SETTLE};
use super::in_use::InUse;

#[derive(Debug)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    pub(super) idle: Arc<Idle>,
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        Self {
            idle: Idle::new(connector.settings.max_idle),
            connector,
        }
    }

    /// An idle connection, else the first of one that comes back and one dialled.
    pub(super) async fn obtain(&self) -> Result<Lease, Error> {
        match self.idle.pop_or_wait() {
            Asked::Have(lease) => Ok(lease),
            Asked::Wait { mut returned, soon } => {
                if soon {
                    if let Ok(Ok(lease)) = tokio::time::timeout(SETTLE, &mut returned).await {
                        return Ok(lease);
                    }
                }
                self.returned_or_dialled(returned).await
            }
        }
    }

    /// A connection that was not idle: the peer of one that just closed may have closed the others too.
    async fn obtain_fresh(&self) -> Result<Lease, Error> {
        let fresh = self.returned_or_dialled(self.idle.evict_and_wait()).await;
        if fresh.is_err() {
            self.idle.clear();
        }
        fresh
    }

    async fn returned_or_dialled(
        &self,
        returned: oneshot::Receiver<Lease>,
    ) -> Result<Lease, Error> {
        let dial = pin!(self.connector.http1());
        let dialled = match select(returned, dial).await {
            Either::Left((Ok(lease), _)) => return Ok(lease),
            Either::Left((Err(_), dial)) => dial.await,
            Either::Right((dialled, _)) => dialled,
        };
        dialled.map(|sender| self.idle.lease(sender))
    }
}

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
        let lease = self.pool.obtain_fresh().await?;
        let connection = lease.into_use().ok_or_else(Error::closed)?;
        let mut sending = Sending::new(self.pool, connection, self.request);
        poll_fn(|cx| sending.poll(cx))
            .await
            .map_err(|failed| match failed {
                Failed::Sent(error) => error,
                Failed::Unsent(_) => Error::closed(),
            })
    }
}
