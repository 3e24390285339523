//! Dialling the endpoint and starting HTTP on the stream.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, join, select};
use http::Version;
use http::uri::Scheme;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::body::RequestBody;
use super::error::{Error, into_io};
#[cfg(feature = "rustls")]
use super::handshake::{Handshake, Peer};
use super::idle::Sender;
use super::io::{Gone, Remote, Socket};
use super::life::Life;
use super::lookup::Lookup;
use super::resolver::Resolver;
use super::response::HeadLimit;
use super::stream::Stream;
use super::upload::Using;
use super::url::Endpoint;

/// The most that a dial waits for an address of one family before it also tries those of the other.
const HEAD_START: Duration = Duration::from_millis(300);

/// After this time of silence the kernel asks whether the peer is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long an HTTP/2 peer may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of a response over HTTP/2 that are received before they are read.
const STREAM_WINDOW: u32 = 1 << 20;
/// Requests over HTTP/2 that are sent before the server's settings have arrived. Some servers end the connection of a client that
/// opens more streams than they admit, so this is the least number.
const FIRST_STREAMS: usize = 1;

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
    pub(super) ping_interval: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
    pub(super) max_response_head: HeadLimit,
    /// Whether an idempotent request is sent again that met a closing connection.
    pub(super) retry: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            only: None,
            #[cfg(feature = "rustls")]
            tls: None,
            resolver: Resolver::default(),
            max_connections: 128,
            max_idle: usize::MAX,
            connect_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            max_age: Duration::from_secs(600),
            max_response_head: HeadLimit::DEFAULT,
            retry: true,
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
    Http2(http2::SendRequest<RequestBody>, Gone, Using, Life),
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
        let life = Life::new(self.settings.max_age, self.settings.idle_timeout);
        if version == Some(Version::HTTP_2) {
            let beside = Beside::default();
            let handshake = self.http2(beside.clone()).handshake(stream).await;
            let (send, connection) = handshake.map_err(Error::handshake)?;
            let (using, unused) = Using::new();
            let (gone, limit) = (remote.gone.clone(), self.settings.write_timeout);
            let over = life.clone();
            let ends = async move {
                // hyper does not notice that all have gone while a request waits for the peer to admit a stream,
                // nor closes while one waits for a window.
                let unused = select(unused, remote.gone.clone());
                let over = pin!(over.over());
                let connection = select(connection, over);
                if let Either::Left((_, unused)) = select(connection, unused).await {
                    unused.await;
                }
                remote.end_after(limit).await;
            };
            runtime.spawn(join(ends, beside.connection()));
            return Ok(Dialled::Http2(send, gone, using, life));
        }
        let mut http1 = http1::Builder::new();
        self.settings.max_response_head.set_http1(&mut http1);
        let handshake = http1.handshake(stream).await;
        let (mut send, connection) = handshake.map_err(Error::handshake)?;
        // What ends the connection reaches whoever uses it; an idle one just goes.
        let over = life.clone();
        runtime.spawn(async move {
            select(connection.with_upgrades(), pin!(over.over())).await;
        });
        send.ready().await.map_err(Error::handshake)?;
        Ok(Dialled::Http1(Sender {
            send,
            wire: remote.wire,
            is_reused: false,
            life,
        }))
    }

    fn http2(&self, beside: Beside) -> http2::Builder<Beside> {
        let mut http2 = http2::Builder::new(beside);
        http2
            .timer(TokioTimer::new())
            // A peer that no longer answers is one whose requests would wait for ever.
            .keep_alive_interval(self.settings.ping_interval)
            .keep_alive_timeout(PING_TIMEOUT)
            // The window of the connection never binds, so that a response that nobody reads holds up no other.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(u32::MAX >> 1)
            // Until the peer has said how many it admits.
            .initial_max_send_streams(FIRST_STREAMS);
        self.settings.max_response_head.set_http2(&mut http2);
        http2
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

/// The executor of one HTTP/2 connection. During the handshake hyper spawns the future that reads and writes the socket. This
/// executor keeps it, so that the task which sends requests can poll it too. On another thread it can read a response and the
/// end of the connection while hyper is still sending the request; hyper then reports the end and discards the response.
#[derive(Clone, Default)]
struct Beside(Arc<Mutex<First>>);

#[derive(Default)]
enum First {
    #[default]
    Awaited,
    Kept(BoxFuture<'static, ()>),
    Taken,
}

impl Beside {
    /// Reads and writes the socket until the connection ends.
    async fn connection(self) {
        let first = std::mem::replace(&mut *self.lock(), First::Taken);
        if let First::Kept(connection) = first {
            connection.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, First> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Beside
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut first = self.lock();
        if let First::Awaited = *first {
            *first = First::Kept(Box::pin(future));
            return;
        }
        drop(first);
        TokioExecutor::new().execute(future);
    }
}

/// Resolves the host and tries its addresses.
fn tcp(settings: &Settings) -> HttpConnector<Lookup> {
    let mut tcp = HttpConnector::new_with_resolver(Lookup::new(settings.resolver.clone()));
    tcp.enforce_http(false); // TLS is spoken on what it opens
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE / 3));
    tcp.set_keepalive_retries(Some(3));
    // This is shared among the addresses of a family, so that none of them uses up all the time.
    tcp.set_connect_timeout(Some(settings.connect_timeout));
    tcp.set_happy_eyeballs_timeout(Some(HEAD_START.min(settings.connect_timeout / 4)));
    tcp
}
