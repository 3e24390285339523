//! The service.

use std::fmt;
use std::future::{self, Future};
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response, Version};
use http_body::Body;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::body::ResponseBody;
use super::connect::{Connector, Settings};
use super::error::Error;
use super::future::ResponseFuture;
use super::pool::{Connection, Pool};
use super::request;
use super::resolver::Resolver;
use super::response::HeadLimit;
use super::url::{Endpoint, InvalidUrl};
use crate::BoxError;

/// One HTTP server, with a pool of connections to it. See the [module docs](super).
///
/// Clones share the pool. Each setter returns a target with a pool of its own, so call them before cloning.
pub struct HttpTarget {
    pool: Arc<Pool>,
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
    /// A target at `http://host[:port]`, port 80 if none is given, spoken to in HTTP/1.1; with the feature `rustls` also
    /// at `https://host[:port]`, port 443 if none is given, whose certificate the platform's roots must vouch for, spoken
    /// to in HTTP/2 or HTTP/1.1 as the server selects.
    ///
    /// Nothing is dialled or resolved before the first request.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] when the URL is anything else, or has user information, a path, a query or a fragment; when the
    /// platform's roots cannot be had.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let endpoint: Endpoint = url.parse()?;
        #[cfg(feature = "rustls")]
        if endpoint.scheme == http::uri::Scheme::HTTPS {
            return Self::platform_tls(url, endpoint);
        }
        Ok(Self::with(endpoint, Settings::default()))
    }

    /// Speaks HTTP/1.1 alone, one request at a time on each connection. Default for `http` URLs; for `https` ones the
    /// server selects.
    #[must_use]
    pub fn http1(self) -> Self {
        self.set(|settings| settings.only = Some(Version::HTTP_11))
    }

    /// Speaks HTTP/2 alone, over one connection for all requests: to `http` URLs by prior knowledge; an `https` server
    /// that does not select it is one that cannot be connected to.
    #[must_use]
    pub fn http2(self) -> Self {
        self.set(|settings| settings.only = Some(Version::HTTP_2))
    }

    /// The most sockets open or being dialled at any time, over all clones; at least 1. Default: 128.
    ///
    /// When all are in use, `poll_ready` waits for one. A connection counts until its socket is closed, so one whose
    /// request was aborted still does.
    #[must_use]
    pub fn max_connections(self, max: usize) -> Self {
        self.set(|settings| settings.max_connections = max)
    }

    /// The most HTTP/1.1 connections kept open while no request uses them; 0 closes each after its request. By default
    /// their number is bounded only by [`max_connections`](Self::max_connections), and their time by
    /// [`idle_timeout`](Self::idle_timeout): a smaller number than there are requests at a time makes connections anew all the time.
    #[must_use]
    pub fn max_idle(self, max: usize) -> Self {
        self.set(|settings| settings.max_idle = max)
    }

    /// The longest that resolving the host and connecting may take, the TLS handshake included. Default: 1 second.
    ///
    /// Where the host has several addresses, those of a family share this time, so that one that does not respond
    /// leaves some for the next. A lookup that takes longer goes on, for the dials that come after.
    #[must_use]
    pub fn connect_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.connect_timeout = limit)
    }

    /// Resolves the host of the URL by `resolver`, as `hyper_util`'s `HttpConnector` does. Default: the resolver of the
    /// system.
    ///
    /// The addresses are tried in their order, up to four of each family; their ports are ignored, the URL's is
    /// dialled. An answer without an address is a failure. What holds for the system's resolver holds for this one:
    /// a target has one lookup at a time, whose answer or error its dials share (see the
    /// [module docs](super#names)). It is called on the runtime of a dial, and a panic in it fails the lookup. A host
    /// that is an IP address is never resolved.
    ///
    /// ```
    /// # use std::{convert::Infallible, net::SocketAddr};
    /// # use http::Request;
    /// # use http_body_util::Empty;
    /// # use bytes::Bytes;
    /// # use tower::{ServiceExt, service_fn};
    /// use tower_mirror::client::{HttpTarget, Name};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let port = listener.local_addr()?.port();
    /// # tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await });
    /// // In earnest this would ask a name server, or a registry of services.
    /// let resolver = service_fn(async |name: Name| {
    ///     assert_eq!(name.as_str(), "catalog-v2.internal");
    ///     Ok::<_, Infallible>([SocketAddr::from(([127, 0, 0, 1], 0))].into_iter())
    /// });
    /// let target = HttpTarget::new(&format!("http://catalog-v2.internal:{port}"))?.resolver(resolver);
    ///
    /// let response = target.oneshot(Request::new(Empty::<Bytes>::new())).await?;
    /// assert_eq!(response.status(), 404);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resolver<R>(self, resolver: R) -> Self
    where
        R: Service<Name> + Clone + Send + Sync + 'static,
        R::Response: Iterator<Item = SocketAddr>,
        R::Error: Into<BoxError>,
        R::Future: Send,
    {
        self.set(|settings| settings.resolver = Resolver::new(resolver))
    }

    /// The longest that the peer may take nothing of what is to be written, before the connection is closed.
    /// Over HTTP/2, one whose peer takes nothing of a request that is over gets no more requests, and is closed
    /// that long after the last of those that it has. Default: 10 seconds.
    #[must_use]
    pub fn write_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.write_timeout = limit)
    }

    /// How long a connection may be unused before it is closed: peers and networks forget connections that are silent for
    /// long. Default: 90 seconds.
    #[must_use]
    pub fn idle_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.idle_timeout = limit)
    }

    /// How long a connection gets new requests, from when it was made, so that a change of the name's addresses is
    /// noticed. Each connection has up to a tenth less, by chance, so that they are not all made anew at the same time.
    /// Default: 10 minutes.
    #[must_use]
    pub fn max_age(self, limit: Duration) -> Self {
        self.set(|settings| settings.max_age = limit)
    }

    /// The most bytes of a response's head: its names and values, and 32 for each field, as HTTP/2 counts. Over HTTP/1.1 also
    /// the most fields: one for each 64 bytes, at least 100. Default: 64 KiB, and so 1024 fields.
    ///
    /// A larger head is an [error of its own](Error::is_response_head), and a copy with such a response ends as
    /// [`response_head_too_large`](crate::Outcome::ResponseHeadTooLarge). Over HTTP/2, a head above four times the limit is reset as it
    /// comes in, which is a transport error as that of a malformed one is, and one above sixteen times ends its connection.
    #[must_use]
    pub fn max_response_head_bytes(self, max: usize) -> Self {
        self.set(|settings| settings.max_response_head = HeadLimit::new(max))
    }

    /// How long an HTTP/2 connection with unanswered requests may be silent before a ping is sent. A peer that does not
    /// answer a ping within 3 seconds loses its connection, and the next request dials another. Default: 5 seconds.
    #[must_use]
    pub fn ping_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.ping_interval = interval)
    }

    /// Whether a request is sent once more, on a fresh connection, that was sent on an idle HTTP/1.1 connection which its
    /// peer was closing at that moment: only one of an idempotent method (RFC 9110, section 9.2.2) without a body, and
    /// only if no byte of the response has arrived, as in nginx's `proxy_next_upstream`. Default: `true`.
    ///
    /// Requests that were never sent, or that an HTTP/2 server declares unprocessed (RFC 9113, section 8.7), go to another
    /// connection in any case, with as much of their body as has been read if that is at most 64 KiB.
    #[must_use]
    pub fn retry_idempotent(self, retry: bool) -> Self {
        self.set(|settings| settings.retry = retry)
    }

    /// The target's own name: `host[:port]` as written in its URL.
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

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Connector {
            endpoint, settings, ..
        } = &*self.pool.connector;
        let mut settings = settings.clone();
        change(&mut settings);
        Self::with(endpoint.clone(), settings)
    }

    fn send<B>(&self, connection: Connection, request: Request<B>) -> ResponseFuture
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match request::fit(request, connection.version(), &self.pool.connector.endpoint) {
            Ok(request) => ResponseFuture::new(connection, request),
            Err(error) => ResponseFuture::boxed(future::ready(Err(error))),
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

    /// Obtains a connection; an error is always a [connect error](Error::is_connect).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_connection(cx)
    }

    /// Sends `request` on the connection `poll_ready` obtained, or, without one, obtains it first.
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let readiness = std::mem::replace(&mut self.readiness, Readiness::Nothing);
        if let Err(error) = request::refuse_connect(request.method()) {
            return ResponseFuture::boxed(future::ready(Err(error)));
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
    /// A target of the same pool, without the connection this one may have been readied with.
    fn clone(&self) -> Self {
        Self {
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
            .field("settings", &self.pool.connector.settings)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
