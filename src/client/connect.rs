//! Dialling the endpoint and starting HTTP on the stream.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use http::Version;
use http::uri::Scheme;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::body::RequestBody;
use super::error::{Error, into_io};
#[cfg(feature = "rustls")]
use super::handshake::{Handshake, Peer};
use super::idle::Sender;
use super::io::{Gone, Remote, Socket};
use super::lookup::Lookup;
use super::resolver::Resolver;
use super::stream::Stream;
use super::upload::Using;
use super::url::Endpoint;

/// The most that a dial waits for an address of one family before it also tries those of the other.
const HEAD_START: Duration = Duration::from_millis(300);

/// What a target can be told. See the setters of [`HttpTarget`](super::HttpTarget).
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `None`: what is usual. HTTP/1.1, or over TLS what the server selects.
    pub(super) only: Option<Version>,
    /// There is one if the scheme is `https`.
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<Peer>,
    pub(super) resolver: Resolver,
    pub(super) max_connections: usize,
    pub(super) max_idle: usize,
    pub(super) connect_timeout: Duration,
    pub(super) write_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            only: None,
            #[cfg(feature = "rustls")]
            tls: None,
            resolver: Resolver::default(),
            max_connections: 128,
            max_idle: 16,
            connect_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(10),
        }
    }
}

/// Makes connections, never more at a time than there are permits.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) endpoint: Endpoint,
    pub(super) settings: Settings,
    tcp: HttpConnector<Lookup>,
    #[cfg(feature = "rustls")]
    handshake: Option<Handshake>,
    permits: Arc<Semaphore>,
}

/// A sender that is ready for its first request.
pub(super) enum Dialled {
    Http1(Sender),
    Http2(http2::SendRequest<RequestBody>, Gone, Using),
}

impl Connector {
    pub(super) fn new(endpoint: Endpoint, mut settings: Settings) -> Self {
        settings.max_connections = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(settings.max_connections));
        Self {
            #[cfg(feature = "rustls")]
            handshake: settings
                .tls
                .as_ref()
                .map(|peer| peer.handshake(settings.only)),
            tcp: tcp(&settings),
            endpoint,
            settings,
            permits,
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.settings.max_connections - self.permits.available_permits()
    }

    pub(super) fn may_speak_http2(&self) -> bool {
        match self.settings.only {
            Some(version) => version == Version::HTTP_2,
            None => self.endpoint.scheme == Scheme::HTTPS,
        }
    }

    /// Waits for the right to one more connection.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = self.permits.clone().acquire_owned().await;
        permit.map_err(|e| Error::connect(io::Error::other(e)))
    }

    /// Dials.
    pub(super) async fn connect(&self, permit: OwnedSemaphorePermit) -> Result<Dialled, Error> {
        let (runtime, stream, remote) = self.dial(permit).await?;
        let version = stream.selected().or(self.settings.only);
        let stream = TokioIo::new(stream);
        if version == Some(Version::HTTP_2) {
            let handshake = http2::handshake(TokioExecutor::new(), stream).await;
            let (send, connection) = handshake.map_err(Error::handshake)?;
            let (using, unused) = Using::new();
            let (gone, limit) = (remote.gone.clone(), self.settings.write_timeout);
            runtime.spawn(async move {
                // hyper does not notice that all have gone while a request waits for the peer to admit a stream,
                // nor closes while one waits for a window.
                let unused = select(unused, remote.gone.clone());
                if let Either::Left((_, unused)) = select(connection, unused).await {
                    unused.await;
                }
                remote.end_after(limit).await;
            });
            return Ok(Dialled::Http2(send, gone, using));
        }
        let handshake = http1::handshake(stream).await;
        let (mut send, connection) = handshake.map_err(Error::handshake)?;
        // What ends the connection reaches whoever uses it; an idle one just goes.
        runtime.spawn(connection.map(drop));
        send.ready().await.map_err(Error::handshake)?;
        let broken = remote.broken;
        Ok(Dialled::Http1(Sender { send, broken }))
    }

    async fn dial(&self, permit: OwnedSemaphorePermit) -> Result<(Handle, Stream, Remote), Error> {
        let runtime = Handle::try_current().map_err(|e| Error::connect(io::Error::other(e)))?;
        // tokio panics where the runtime has no IO or no timers; to the caller that is one more way not to connect.
        let stream = AssertUnwindSafe(self.open(permit)).catch_unwind().await;
        let stream = stream
            .unwrap_or_else(|_| Err(io::Error::other("the tokio runtime has no IO or no timers")));
        let (stream, remote) = stream.map_err(Error::connect)?;
        Ok((runtime, stream, remote))
    }

    async fn open(&self, permit: OwnedSemaphorePermit) -> io::Result<(Stream, Remote)> {
        let limit = self.settings.connect_timeout;
        let opened = tokio::time::timeout(limit, async {
            let stream = self.tcp.clone().oneshot(self.endpoint.address.clone());
            let stream = stream.await.map_err(into_io)?.into_inner();
            let (socket, remote) = Socket::new(stream, permit, self.settings.write_timeout);
            #[cfg(feature = "rustls")]
            if let Some(handshake) = &self.handshake {
                return Ok((handshake.shake(socket).await?, remote));
            }
            Ok((Stream::Plain(socket), remote))
        });
        opened.await.unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {limit:?}"),
            ))
        })
    }
}

/// Resolves the host and tries its addresses.
fn tcp(settings: &Settings) -> HttpConnector<Lookup> {
    let mut tcp = HttpConnector::new_with_resolver(Lookup::new(settings.resolver.clone()));
    tcp.enforce_http(false); // TLS is spoken on what it opens
    tcp.set_nodelay(true);
    // This is shared among the addresses of a family, so that none of them uses up all the time.
    tcp.set_connect_timeout(Some(settings.connect_timeout));
    tcp.set_happy_eyeballs_timeout(Some(HEAD_START.min(settings.connect_timeout / 4)));
    tcp
}
