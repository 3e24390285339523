//! HTTP/1.1: a connection serves one request at a time.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use http::{Request, Response};
use tokio::sync::oneshot;

use super::body::{RequestBody, ResponseBody};
use super::connect::Connector;
use super::error::Error;
use super::idle::{Asked, Idle, Lease, SETTLE};

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

    pub(super) async fn send(
        &self,
        mut lease: Lease,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Error> {
        let mut retried = false;
        loop {
            let Some(mut connection) = lease.into_use() else {
                return Err(Error::closed());
            };
            let given_up = connection.given_up();
            let sending = connection.sender.send.try_send_request(request);
            let mut failed = match given_up.unless(sending).await {
                Ok(response) => {
                    return Ok(response.map(|body| ResponseBody::http1(body, connection)));
                }
                Err(failed) => failed,
            };
            match failed.take_message() {
                Some(unsent) if !retried => request = unsent,
                _ => return Err(Error::transport(failed.into_error())),
            }
            retried = true;
            drop(connection);
            lease = self.obtain_fresh().await?;
        }
    }
}
