//! The connections of a target, of both versions of HTTP, since the server may select the version when it is dialled.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use http::{Request, Response, Version};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::body::ResponseBody;
use super::connect::{Connector, Dialled};
use super::error::Error;
use super::http1;
use super::http2::{Dial, Failed, Made, Sender, Shared};
use super::idle::{Asked, Idle, Lease, SETTLE};
use super::request;
use super::upload::RequestBody;
use crate::guard::unpoisoned;
use crate::time::within;

/// How often an unprocessed request is sent again. A server under load may close several connections in turn.
const MOST_TRIES: usize = 16;
/// How often a request is sent again when the server refused it, and may be overloaded, or when the server may have processed it.
const MOST_REPEATS: usize = 2;

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) connector: Arc<Connector>,
    idle: Arc<Idle>,
    shared: Shared,
    /// Whether the server used HTTP/2 last. Before its first connection: whether it may use HTTP/2, so that the first dial is shared.
    http2: AtomicBool,
}

/// A connection, and the pool, which has another one if this one is closing.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(Arc<Pool>, Lease),
    Http2(Arc<Pool>, Sender),
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            idle: Idle::new(connector.settings.max_idle),
            shared: Shared::default(),
            http2: AtomicBool::new(connector.may_speak_http2()),
            connector: Arc::new(connector),
        }
    }

    /// A connection that is open and unused, or shared.
    pub(super) fn at_hand(self: &Arc<Self>) -> Option<Connection> {
        if self.speaks_http2() {
            if let Some(sender) = self.shared.open() {
                return Some(Connection::Http2(self.clone(), sender));
            }
        }
        Some(Connection::Http1(self.clone(), self.idle.pop()?))
    }

    /// A connection: an open one, otherwise the first of one that returns and one that is dialled.
    pub(super) async fn obtain(self: Arc<Self>) -> Result<Connection, Error> {
        match self.idle.pop_or_wait() {
            Asked::Have(lease) => Ok(Connection::Http1(self, lease)),
            Asked::Wait { mut returned, soon } => {
                if soon {
                    if let Some(Ok(lease)) = within(SETTLE, &mut returned).await {
                        return Ok(Connection::Http1(self, lease));
                    }
                }
                self.returned_or_made(returned).await
            }
        }
    }

    /// Sends an unsent request again, on a connection that is dialled for it, which may use the other version of HTTP.
    pub(super) async fn resend(
        self: Arc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Error> {
        let mut tries = 0;
        loop {
            let connection = self.obtain_fresh().await?;
            if request.version() != connection.version() {
                request = request::fit(request, connection.version(), &self.connector.endpoint)?;
            }
            let lease = match connection {
                Connection::Http1(_, lease) => lease,
                Connection::Http2(_, sender) => return self.exchange(sender, request).await,
            };
            let connection = lease.into_use().ok_or_else(Error::closed)?;
            let sent = http1::send_again(connection, request, &self.connector.settings).await;
            tries += 1;
            request = match sent {
                Err(http1::Failed::Unsent(unsent)) if tries < MOST_TRIES => *unsent,
                sent => return Ok(sent?),
            };
        }
    }

    /// Sends a request over HTTP/2, and again while the server says that it has not processed the request. The last time may be over
    /// HTTP/1.1.
    pub(super) async fn exchange(
        self: Arc<Self>,
        mut sender: Sender,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Error> {
        let settings = &self.connector.settings;
        let (mut tries, mut repeats) = (0, 0);
        loop {
            let unprocessed = match sender.send(request, settings).await {
                Ok((answer, exchange)) => {
                    return Ok(answer.map(|body| ResponseBody::http2(body, exchange)));
                }
                Err(Failed::Sent(error)) => return Err(error),
                Err(Failed::Unprocessed(unprocessed)) => *unprocessed,
            };
            tries += 1;
            repeats += usize::from(unprocessed.is_repeated);
            let error = unprocessed.error;
            if tries > MOST_TRIES || repeats > MOST_REPEATS {
                return Err(error);
            }
            request = unprocessed.request;
            match self.obtain_fresh().await? {
                Connection::Http2(_, another) => sender = another,
                Connection::Http1(_, lease) => {
                    let connection = lease.into_use().ok_or(error)?;
                    let request =
                        request::fit(request, Version::HTTP_11, &self.connector.endpoint)?;
                    return Ok(http1::send_again(connection, request, settings).await?);
                }
            }
        }
    }

    /// Over HTTP/1.1 a connection that no request has used: a peer that has closed an idle connection may also be closing the
    /// others, and one that returns may be idle for the peer since it sent the response.
    async fn obtain_fresh(self: &Arc<Self>) -> Result<Connection, Error> {
        let fresh = if self.speaks_http2() {
            self.returned_or_made(self.idle.evict_and_wait()).await
        } else {
            self.dial_in_place_of_idle().await
        };
        if fresh.is_err() {
            self.idle.clear();
        }
        fresh
    }

    /// Dials. At the limit, it closes connections that are idle or return until another one is allowed.
    async fn dial_in_place_of_idle(self: &Arc<Self>) -> Result<Connection, Error> {
        let mut permit = pin!(self.connector.permit());
        loop {
            let returned = self.idle.evict_and_wait();
            match select(permit.as_mut(), returned).await {
                Either::Left((permit, _)) => return self.dial(permit?).await,
                Either::Right((returned, _)) => drop(returned.map(Lease::close)),
            }
        }
    }

    /// When a connection returns before the dial has ended, the dial continues: there are too few connections, and the next
    /// request would start the dial again.
    async fn returned_or_made(
        self: &Arc<Self>,
        mut returned: oneshot::Receiver<Lease>,
    ) -> Result<Connection, Error> {
        if self.speaks_http2() {
            return match select(returned, pin!(self.make())).await {
                Either::Left((Ok(lease), _)) => Ok(Connection::Http1(self.clone(), lease)),
                Either::Left((Err(_), make)) => make.await,
                Either::Right((made, _)) => made,
            };
        }
        let permit = match select(&mut returned, pin!(self.connector.permit())).await {
            Either::Left((Ok(lease), _)) => return Ok(Connection::Http1(self.clone(), lease)),
            Either::Left((Err(_), permit)) => return self.dial(permit.await?).await,
            Either::Right((permit, _)) => permit?,
        };
        match select(returned, Box::pin(self.dial(permit))).await {
            Either::Left((Ok(lease), dial)) => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(dial.map(drop));
                }
                Ok(Connection::Http1(self.clone(), lease))
            }
            Either::Left((Err(_), dial)) => dial.await,
            Either::Right((made, _)) => made,
        }
    }

    async fn make(self: &Arc<Self>) -> Result<Connection, Error> {
        if self.speaks_http2() {
            let may_make = self.connector.has_permits();
            let made = match self.shared.open_or_make(may_make, || self.dial_for_all()) {
                Ok(open) => return Ok(Connection::Http2(self.clone(), open)),
                Err(making) => making.await,
            };
            let made = match (made, self.shared.least_used()) {
                // A full connection is better than none.
                (Err(_), Some(full)) => return Ok(Connection::Http2(self.clone(), full)),
                (made, _) => made?,
            };
            match made {
                Made::Http2(sender) => return Ok(Connection::Http2(self.clone(), sender)),
                Made::Http1(lease) => {
                    let first = unpoisoned(lease.lock()).take();
                    if let Some(lease) = first {
                        return Ok(Connection::Http1(self.clone(), lease));
                    }
                }
            }
        }
        self.dial_once_permitted().await
    }

    fn dial_for_all(self: &Arc<Self>) -> Dial {
        let pool = self.clone();
        let dial = async move {
            let dialled = pool.dial_once_permitted().await;
            pool.shared.ended();
            Ok(match dialled? {
                Connection::Http1(_, lease) => Made::http1(lease),
                Connection::Http2(_, sender) => Made::Http2(sender),
            })
        };
        dial.boxed()
    }

    async fn dial_once_permitted(self: &Arc<Self>) -> Result<Connection, Error> {
        let permit = self.connector.permit().await?;
        self.dial(permit).await
    }

    /// Dials, and remembers the version that the server selected. The future does not keep the pool alive.
    fn dial(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = Result<Connection, Error>> + Send + use<> {
        let (pool, connector) = (Arc::downgrade(self), self.connector.clone());
        async move {
            let dialled = connector.connect(permit).await?;
            let pool = pool.upgrade().ok_or_else(Error::closed)?;
            let is_http2 = matches!(dialled, Dialled::Http2(..));
            let was_http2 = pool.http2.swap(is_http2, Ordering::Relaxed);
            Ok(match dialled {
                Dialled::Http1(send) => {
                    let lease = pool.idle.lease(send);
                    Connection::Http1(pool, lease)
                }
                Dialled::Http2(sender) => {
                    let sender = pool.shared.adopt(sender, was_http2);
                    Connection::Http2(pool, sender)
                }
            })
        }
    }

    fn speaks_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }
}

impl Connection {
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Http1(..) => Version::HTTP_11,
            Self::Http2(..) => Version::HTTP_2,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(_, lease) => lease.is_closed(),
            Self::Http2(_, sender) => sender.is_closed(),
        }
    }
}
