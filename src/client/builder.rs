//! [`HttpTargetBuilder`]: a URL and settings become an [`HttpTarget`].

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use http::Version;
#[cfg(feature = "rustls")]
use http::uri::Scheme;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::resolver::Resolver;
use super::response::HeadLimit;
use super::settings::Settings;
use super::target::HttpTarget;
#[cfg(feature = "rustls")]
use super::tls::{InvalidTls, Peer, Tls};
use super::url::{Endpoint, InvalidUrl};
use crate::BoxError;

impl HttpTarget {
    /// A target at `url` with the default settings: [`builder(url)`](Self::builder) and [`build`](HttpTargetBuilder::build).
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], as [`HttpTargetBuilder::build`] returns it.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        Self::builder(url).build()
    }

    /// Begins a target at `http://host[:port]`, or with the feature `rustls` at `https://host[:port]`. The default ports are
    /// 80 and 443.
    pub fn builder(url: impl AsRef<str>) -> HttpTargetBuilder {
        HttpTargetBuilder {
            endpoint: url.as_ref().parse(),
            #[cfg(feature = "rustls")]
            tls: None,
            settings: Settings::default(),
        }
    }
}

/// The settings of an [`HttpTarget`] before it is built. [`HttpTarget::builder`] makes one.
///
/// ```
/// use std::time::Duration;
/// use tower_mirror::client::{HttpTarget, InvalidUrl};
///
/// let target = HttpTarget::builder("http://catalog-v2.internal:9002")
///     .http2()
///     .connect_timeout(Duration::from_millis(300))
///     .build()?;
/// assert_eq!(target.authority(), "catalog-v2.internal:9002");
///
/// let error = HttpTarget::builder("http://catalog-v2.internal/v2").build().unwrap_err();
/// assert!(matches!(error, InvalidUrl::Path(_)));
/// # Ok::<_, InvalidUrl>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing before `build`"]
pub struct HttpTargetBuilder {
    endpoint: Result<Endpoint, InvalidUrl>,
    #[cfg(feature = "rustls")]
    tls: Option<Tls>,
    settings: Settings,
}

impl HttpTargetBuilder {
    /// Makes the target, with a pool of its own. Nothing is resolved or dialled before the first request.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] names the rule that the URL breaks: it needs the scheme `http`, or `https` with the feature
    /// `rustls`, and a host, and must not have user information, a path, a query or a fragment. `InvalidUrl::NotHttps`
    /// when the scheme is `http` and `tls` was set; `InvalidUrl::Tls` when the roots of the platform cannot be
    /// loaded, or when the host is not a name that a certificate can have.
    pub fn build(self) -> Result<HttpTarget, InvalidUrl> {
        let endpoint = self.endpoint?;
        #[allow(unused_mut)]
        let mut settings = self.settings;
        #[cfg(feature = "rustls")]
        {
            settings.tls = peer(&endpoint, self.tls)?;
        }
        Ok(HttpTarget::with(endpoint, settings))
    }

    /// Uses only HTTP/1.1, with one request at a time on each connection. This is the default for `http` URLs; for `https` URLs
    /// the server selects the version.
    pub fn http1(self) -> Self {
        self.set(|settings| settings.only = Some(Version::HTTP_11))
    }

    /// Uses only HTTP/2. Requests share a connection, and another one is dialled when the server admits no more requests on the open
    /// ones, up to [`max_connections`](Self::max_connections). An `http` server must know beforehand that HTTP/2 is used (prior
    /// knowledge). If an `https` server does not select HTTP/2, no connection can be made.
    pub fn http2(self) -> Self {
        self.set(|settings| settings.only = Some(Version::HTTP_2))
    }

    /// Sets the roots that verify the certificate of an `https` server, and a certificate for the client. Default:
    /// [`Tls::platform`].
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The most sockets that are open or being dialled at any time, over all clones; 0 counts as 1. Default: 128.
    ///
    /// When all are in use, `poll_ready` waits for one. A connection counts until its socket is closed, also when its
    /// request was aborted.
    pub fn max_connections(self, max: usize) -> Self {
        self.set(|settings| settings.max_connections = max)
    }

    /// The most HTTP/1.1 connections that stay open while no request uses them; 0 closes each connection after its request.
    /// By default, [`max_connections`](Self::max_connections) bounds their number and
    /// [`idle_timeout`](Self::idle_timeout) their time. If this is less than the number of requests at a time, connections are
    /// dialled again and again.
    pub fn max_idle(self, max: usize) -> Self {
        self.set(|settings| settings.max_idle = max)
    }

    /// The longest time for resolving the host and connecting, including the TLS handshake. Default: 1 second.
    ///
    /// If the host has several addresses, the addresses of a family share this time, so that the next address has a
    /// chance when one does not respond. A lookup that takes longer continues, for later dials.
    pub fn connect_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.connect_timeout = limit)
    }

    /// Resolves the host of the URL with `resolver`, as `hyper_util`'s `HttpConnector` does. Default: the resolver of the
    /// system.
    ///
    /// The addresses are tried in their order, at most four of each family. Their ports are ignored, since the port of the URL
    /// is dialled. An answer without an address is a failure. As with the resolver of the system,
    /// a target has one lookup at a time, and its dials share the answer or the error (see the
    /// [module docs](super#names)). The resolver is called on the runtime of a dial, and a panic in it fails the lookup. A host
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
    /// // A real resolver would ask a name server, or a registry of services.
    /// let resolver = service_fn(async |name: Name| {
    ///     assert_eq!(name.as_str(), "catalog-v2.internal");
    ///     Ok::<_, Infallible>([SocketAddr::from(([127, 0, 0, 1], 0))].into_iter())
    /// });
    /// let target = HttpTarget::builder(format!("http://catalog-v2.internal:{port}"))
    ///     .resolver(resolver)
    ///     .build()?;
    ///
    /// let response = target.oneshot(Request::new(Empty::<Bytes>::new())).await?;
    /// assert_eq!(response.status(), 404);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolver<R>(self, resolver: R) -> Self
    where
        R: Service<Name> + Clone + Send + Sync + 'static,
        R::Response: Iterator<Item = SocketAddr>,
        R::Error: Into<BoxError>,
        R::Future: Send,
    {
        self.set(|settings| settings.resolver = Resolver::new(resolver))
    }

    /// The longest time that a connection stays open while its peer accepts none of the bytes that are to be written.
    /// Over HTTP/2, a connection whose peer does not accept the rest of a request that has ended gets no more requests, and is
    /// closed this long after its last request. A connection that its peer has ended stays open for this long if the caller
    /// has not read a response. Default: 10 seconds.
    pub fn write_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.write_timeout = limit)
    }

    /// The time after which an unused connection is closed. Peers and networks forget connections that are silent for
    /// long. Default: 90 seconds.
    pub fn idle_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.idle_timeout = limit)
    }

    /// How long a connection gets new requests after it was made, so that a change of the addresses is
    /// noticed. Each connection gets up to a tenth less, at random, so that not all connections are replaced at the same time.
    /// Default: 10 minutes.
    pub fn max_age(self, limit: Duration) -> Self {
        self.set(|settings| settings.max_age = limit)
    }

    /// The most bytes in the head of a response: the names, the values, and 32 for each field, as HTTP/2 counts. Over HTTP/1.1
    /// this also limits the number of fields to one for each 64 bytes, but not below 100. Default: 64 KiB, and thus 1024 fields.
    ///
    /// A larger head is an [error of its own kind](super::Error::is_response_head), and the outcome of a copy is then
    /// [`response_head_too_large`](crate::Outcome::ResponseHeadTooLarge). Over HTTP/2, a head above four times the limit is reset
    /// as it arrives, which is a transport error as for a malformed head, and a head above sixteen times ends its connection.
    pub fn max_response_head_bytes(self, max: usize) -> Self {
        self.set(|settings| settings.max_response_head = HeadLimit::new(max))
    }

    /// How long an HTTP/2 connection with unanswered requests may be silent before a ping is sent. If the peer does not
    /// answer the ping within 3 seconds, its connection is closed, and the next request dials another. Default: 5 seconds.
    pub fn ping_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.ping_interval = interval)
    }

    /// Whether a request is sent once more, on a fresh connection, if its peer closed an idle HTTP/1.1 connection at the moment
    /// when the request was sent on it. This applies only to a request of an idempotent method (RFC 9110, section 9.2.2) without a
    /// body, and only if no byte of the response has arrived, as in nginx's `proxy_next_upstream`. Default: `true`.
    ///
    /// A request that was never sent, or that an HTTP/2 server declares unprocessed (RFC 9113, section 8.7), is sent on another
    /// connection in any case, with the part of its body that was read if this part is at most 64 KiB.
    pub fn retry_idempotent(self, retry: bool) -> Self {
        self.set(|settings| settings.retry = retry)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }
}

#[cfg(feature = "rustls")]
fn peer(endpoint: &Endpoint, tls: Option<Tls>) -> Result<Option<Peer>, InvalidUrl> {
    let url = || format!("{}://{}", endpoint.scheme, endpoint.authority);
    let invalid = |why: InvalidTls| InvalidUrl::Tls(url(), why);
    if endpoint.scheme != Scheme::HTTPS {
        return match tls {
            Some(_) => Err(InvalidUrl::NotHttps(url())),
            None => Ok(None),
        };
    }
    let tls = match tls {
        Some(tls) => tls,
        None => Tls::platform().map_err(invalid)?,
    };
    tls.peer(endpoint.authority.host())
        .map(Some)
        .map_err(invalid)
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

/// Parses the URL now, as for an argument of a command, where [`HttpTarget::builder`] leaves an error to `build`.
impl FromStr for HttpTargetBuilder {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let builder = HttpTarget::builder(url);
        match builder.endpoint {
            Ok(_) => Ok(builder),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for HttpTargetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTargetBuilder")
            .field("endpoint", &self.endpoint)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
