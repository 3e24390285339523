//! The connector: it dials the endpoint and starts HTTP on the stream.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
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

use super::ending::UntilRead;
use super::error::{Error, into_io};
use super::http2::Sender as Http2Sender;
use super::idle::Sender;
use super::io::{Remote, Socket, Stream};
use super::life::{Life, MaxStreams};
use super::lookup::Lookup;
use super::settings::Settings;
#[cfg(feature = "rustls")]
use super::tls::Handshake;
use super::upload::Using;
use super::url::Endpoint;
use crate::guard::unpoisoned;

/// The longest time that a dial waits for the addresses of one family before it also tries the other family.
const HEAD_START: Duration = Duration::from_millis(300);

/// After this time of silence, the kernel asks whether the peer is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long an HTTP/2 peer may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// How many bytes of a response are received over HTTP/2 before the caller reads them.
const STREAM_WINDOW: u32 = 1 << 20;

/// Makes connections. Each one holds a permit until its socket is closed.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) endpoint: Endpoint,
    pub(super) settings: Settings,
    tcp: HttpConnector<Lookup>,
    #[cfg(feature = "rustls")]
    handshake: Option<Handshake>,
    permits: Arc<Semaphore>,
}

/// A connection that is ready for its first request.
pub(super) enum Dialled {
    Http1(Sender),
    Http2(Http2Sender),
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

    /// Whether one more connection is allowed.
    pub(super) fn has_permits(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// Waits until one more connection is allowed.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = self.permits.clone().acquire_owned().await;
        permit.map_err(|e| Error::connect(io::Error::other(e)))
    }

    /// Dials, and starts the version of HTTP that the settings or the server select.
    pub(super) async fn connect(&self, permit: OwnedSemaphorePermit) -> Result<Dialled, Error> {
        let (runtime, stream, remote) = self.dial(permit).await?;
        let version = stream.selected().or(self.settings.only);
        let life = Life::new(self.settings.max_age, self.settings.idle_timeout);
        if version == Some(Version::HTTP_2) {
            let (stream, ending) = UntilRead::new(stream, self.settings.write_timeout);
            let beside = Beside::default();
            let stream = TokioIo::new(stream);
            let handshake = self.http2(beside.clone()).handshake(stream).await;
            let (send, mut connection) = handshake.map_err(Error::handshake)?;
            let max_streams = MaxStreams::new();
            let (announced, dispatched) = (max_streams.clone(), ending.clone());
            // hyper polls this for each request.
            let connection = poll_fn(move |cx| {
                let ended = connection.poll_unpin(cx);
                if dispatched.has_settings() {
                    announced.set(connection.current_max_send_streams());
                }
                if ended.is_ready() {
                    dispatched.opens_no_more();
                }
                ended
            });
            let (using, unused) = Using::new();
            let limit = self.settings.write_timeout;
            let over = life.clone();
            let ends = async move {
                // hyper does not notice that the last user has gone while a request waits until the peer admits its stream, and
                // does not close the connection while a request waits for a window.
                let unused = select(unused, remote.gone.clone());
                let over = pin!(over.over());
                let connection = select(connection, over);
                if let Either::Left((_, unused)) = select(connection, unused).await {
                    unused.await;
                }
                remote.end_after(limit).await;
            };
            // The requests are dispatched before the socket is read, see `Beside`.
            runtime.spawn(join(ends, beside.connection()));
            let sender = Http2Sender::new(send, using, max_streams, life, ending);
            return Ok(Dialled::Http2(sender));
        }
        let mut http1 = http1::Builder::new();
        self.settings.max_response_head.set_http1(&mut http1);
        let handshake = http1.handshake(TokioIo::new(stream)).await;
        let (mut send, connection) = handshake.map_err(Error::handshake)?;
        // The request on the connection gets its error. An idle connection ends silently.
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
            // Without pings, the requests to a peer that does not answer any more would wait for ever.
            .keep_alive_interval(self.settings.ping_interval)
            .keep_alive_timeout(PING_TIMEOUT)
            // The window of the connection never limits, so that an unread response does not delay the others.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(u32::MAX >> 1)
            // This holds until the peer has announced how many streams it admits.
            .initial_max_send_streams(MaxStreams::BEFORE);
        self.settings.max_response_head.set_http2(&mut http2);
        http2
    }

    async fn dial(&self, permit: OwnedSemaphorePermit) -> Result<(Handle, Stream, Remote), Error> {
        let runtime = Handle::try_current().map_err(|e| Error::connect(io::Error::other(e)))?;
        // tokio panics if the runtime has no IO or no timers. The caller gets this as a connect error.
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

/// The executor of one HTTP/2 connection, which keeps the future that reads and writes the socket.
///
/// hyper spawns that future during the handshake. It is polled by the task that dispatches the requests, always after them. On
/// another thread it could read a response and the end of the connection while hyper is still sending the request, and hyper
/// (as of 1.12) would then report the end and discard the response.
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
        let first = std::mem::replace(&mut *unpoisoned(self.0.lock()), First::Taken);
        if let First::Kept(connection) = first {
            connection.await;
        }
    }
}

impl<F> Executor<F> for Beside
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut first = unpoisoned(self.0.lock());
        if let First::Awaited = *first {
            *first = First::Kept(Box::pin(future));
            return;
        }
        drop(first);
        TokioExecutor::new().execute(future);
    }
}

/// The connector that resolves the host and tries its addresses.
fn tcp(settings: &Settings) -> HttpConnector<Lookup> {
    let mut tcp = HttpConnector::new_with_resolver(Lookup::new(settings.resolver.clone()));
    tcp.enforce_http(false); // since TLS is added later
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE / 3));
    tcp.set_keepalive_retries(Some(3));
    // The addresses of a family share this time, so that no address takes all of it.
    tcp.set_connect_timeout(Some(settings.connect_timeout));
    tcp.set_happy_eyeballs_timeout(Some(HEAD_START.min(settings.connect_timeout / 4)));
    tcp
}
