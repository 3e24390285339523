//! The service.

use std::fmt;
use std::future::{self, Future};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{RequestBody, ResponseBody};
use super::connect::{Connector, Settings};
use super::error::Error;
use super::future::ResponseFuture;
use super::pool::{Connection, Pool};
use super::request;
use super::trailers::Declared;
use super::url::{Endpoint, InvalidUrl};
use crate::BoxError;
use crate::exact::ExactTrailers;

/// One HTTP server, with a pool of connections to it. See the [module docs](super).
///
/// Clones share the pool. Each setter returns a target with a pool of its own, so call them before cloning.
pub struct HttpTarget {
    connector: Arc<Connector>,
    pool: Pool,
    readiness: Readiness,
}

/// What `poll_ready` has left behind.
enum Readiness {
    Nothing,
    /// In a mutex that is never locked: it makes a target `Sync`.
    Obtaining(Mutex<Obtaining>),
    Have(Connection),
}

type Obtaining = Pin<Box<dyn Future<Output = Result<Connection, Error>> + Send>>;

impl HttpTarget {
    /// A target at `http://host[:port]`, port 80 if none is given, spoken to in HTTP/1.1.
    ///
    /// Nothing is dialled or resolved before the first request.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] when the URL is anything else, or has user information, a path, a query or a fragment.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self::with(url.parse()?, Settings::default()))
    }

    /// Speaks HTTP/2 by prior knowledge, over one connection for all requests. Default: HTTP/1.1.
    #[must_use]
    pub fn http2(self) -> Self {
        self.set(|settings| settings.http2 = true)
    }

    /// The most sockets open or being dialled at any time, over all clones; at least 1. Default: 128.
    ///
    /// When all are in use, `poll_ready` waits for one. A connection counts until its socket is closed, so one whose
    /// request was aborted still does.
    #[must_use]
    pub fn max_connections(self, max: usize) -> Self {
        self.set(|settings| settings.max_connections = max)
    }

    /// The most HTTP/1.1 connections kept open while no request uses them; 0 closes each after its request. Default: 16.
    #[must_use]
    pub fn max_idle(self, max: usize) -> Self {
        self.set(|settings| settings.max_idle = max)
    }

    /// The longest that resolving the host and connecting may take. Default: 1 second.
    #[must_use]
    pub fn connect_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.connect_timeout = limit)
    }

    /// The longest that the peer may take nothing of what is to be written, before the connection is closed.
    /// Over HTTP/2, one whose peer takes nothing of a request that is over gets no more requests, and is closed
    /// that long after the last of those that it has. Default: 10 seconds.
    #[must_use]
    pub fn write_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.write_timeout = limit)
    }

    /// The target's own name: `host[:port]` as written in its URL.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.connector.endpoint.authority
    }

    /// How many sockets are open or being dialled right now, over all clones.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connector.connections()
    }

    fn with(endpoint: Endpoint, settings: Settings) -> Self {
        let connector = Arc::new(Connector::new(endpoint, settings));
        Self {
            pool: Pool::new(connector.clone()),
            connector,
            readiness: Readiness::Nothing,
        }
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.connector.settings.clone();
        change(&mut settings);
        Self::with(self.connector.endpoint.clone(), settings)
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

    /// Obtains a connection; an error is always a [connect error](Error::is_connect).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_connection(cx)
    }

    /// Sends `request` on the connection `poll_ready` obtained, or, without one, obtains it first.
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let pool = self.pool.clone();
        let (mut head, body) = request.into_parts();
        let fit = match &pool {
            Pool::Http1(_) => {
                let unknown_length = !body.is_end_stream() && body.size_hint().exact().is_none();
                request::http1(&mut head, unknown_length, self.authority())
            }
            Pool::Http2(_) => request::http2(&mut head, self.authority()),
        };
        let readiness = std::mem::replace(&mut self.readiness, Readiness::Nothing);
        if let Err(error) = fit {
            return ResponseFuture::boxed(future::ready(Err(error)));
        }
        let body = match (&pool, head.extensions.get::<ExactTrailers>()) {
            (Pool::Http1(_), Some(ExactTrailers)) => {
                RequestBody::new(Declared::new(body, &head.headers))
            }
            _ => RequestBody::new(body),
        };
        let request = Request::from_parts(head, body);
        match readiness {
            Readiness::Have(connection) => connection.send(request),
            Readiness::Obtaining(obtaining) => ResponseFuture::boxed(async move {
                let obtaining = obtaining.into_inner();
                let obtaining = obtaining.unwrap_or_else(PoisonError::into_inner);
                obtaining.await?.send(request).await
            }),
            Readiness::Nothing => match pool.at_hand() {
                Some(connection) => connection.send(request),
                None => {
                    ResponseFuture::boxed(async move { pool.obtain().await?.send(request).await })
                }
            },
        }
    }
}

impl Clone for HttpTarget {
    /// A target of the same pool, without the connection this one may have been readied with.
    fn clone(&self) -> Self {
        Self {
            connector: self.connector.clone(),
            pool: self.pool.clone(),
            readiness: Readiness::Nothing,
        }
    }
}

impl FromStr for HttpTarget {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        Self::new(url)
    }
}

impl TryFrom<&str> for HttpTarget {
    type Error = InvalidUrl;

    fn try_from(url: &str) -> Result<Self, InvalidUrl> {
        Self::new(url)
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTarget")
            .field("authority", self.authority())
            .field("settings", &self.connector.settings)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
