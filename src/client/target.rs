//! [`HttpTarget`], the service, and the future of a response.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::connect::Connector;
use super::error::Error;
use super::http1::{Failed, Sending};
use super::pool::{Connection, Pool};
use super::request;
use super::settings::Settings;
use super::upload::RequestBody;
use super::url::Endpoint;
use crate::BoxError;

/// One HTTP server, with a pool of connections to it. See the [module docs](super).
///
/// Clones share the pool. [`HttpTarget::new`] makes one with the default settings, [`HttpTarget::builder`] with others.
pub struct HttpTarget {
    pool: Arc<Pool>,
    readiness: Readiness,
}

/// What `poll_ready` has obtained.
enum Readiness {
    Nothing,
    /// The mutex is never locked. It makes a target `Sync`.
    Obtaining(Mutex<Obtaining>),
    Have(Connection),
}

type Obtaining = Pin<Box<dyn Future<Output = Result<Connection, Error>> + Send>>;

impl HttpTarget {
    /// The name of the target: `host[:port]` as written in its URL.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.pool.connector.endpoint.authority
    }

    /// How many sockets are open or being dialled right now, over all clones.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.pool.connector.connections()
    }

    pub(super) fn with(endpoint: Endpoint, settings: Settings) -> Self {
        Self {
            pool: Arc::new(Pool::new(Connector::new(endpoint, settings))),
            readiness: Readiness::Nothing,
        }
    }

    fn send<B>(&self, connection: Connection, request: Request<B>) -> ResponseFuture
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match request::fit(request, connection.version(), &self.pool.connector.endpoint) {
            Ok(request) => ResponseFuture::new(connection, request),
            Err(error) => ResponseFuture::boxed(ready(Err(error))),
        }
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.readiness {
                Readiness::Have(connection) if !connection.is_closed() => {
                    return Poll::Ready(Ok(()));
                }
                Readiness::Obtaining(obtaining) => {
                    let obtaining = obtaining.get_mut().unwrap_or_else(PoisonError::into_inner);
                    let obtained = ready!(obtaining.as_mut().poll(cx));
                    self.readiness = Readiness::Nothing;
                    self.readiness = Readiness::Have(obtained?);
                    return Poll::Ready(Ok(()));
                }
                Readiness::Have(_) | Readiness::Nothing => {
                    self.readiness = match self.pool.at_hand() {
                        Some(connection) => Readiness::Have(connection),
                        None => {
                            Readiness::Obtaining(Mutex::new(Box::pin(self.pool.clone().obtain())))
                        }
                    }
                }
            }
        }
    }
}

impl<B> Service<Request<B>> for HttpTarget
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ResponseFuture;

    /// Obtains a connection. An error is always a [connect error](Error::is_connect).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_connection(cx)
    }

    /// Sends `request` on the connection that `poll_ready` has obtained. Without a connection, it obtains one first.
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let readiness = std::mem::replace(&mut self.readiness, Readiness::Nothing);
        if let Err(error) = request::refuse_connect(request.method()) {
            return ResponseFuture::boxed(ready(Err(error)));
        }
        let obtaining = match readiness {
            Readiness::Have(connection) => return self.send(connection, request),
            Readiness::Obtaining(obtaining) => obtaining
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            Readiness::Nothing => match self.pool.at_hand() {
                Some(connection) => return self.send(connection, request),
                None => Box::pin(self.pool.clone().obtain()),
            },
        };
        let pool = self.pool.clone();
        ResponseFuture::boxed(async move {
            let connection = obtaining.await?;
            let request = request::fit(request, connection.version(), &pool.connector.endpoint)?;
            ResponseFuture::new(connection, request).await
        })
    }
}

impl Clone for HttpTarget {
    /// A target of the same pool. A connection that `poll_ready` has obtained stays with the original.
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            readiness: Readiness::Nothing,
        }
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTarget")
            .field("authority", self.authority())
            .field("settings", &self.pool.connector.settings)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

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
    /// Everything else: it may have to dial, or its future has no name.
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
