//! Dialling the endpoint and starting HTTP on the socket.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::RequestBody;
use super::error::Error;
use super::idle::Sender;
use super::io::{Gone, Remote, Socket};
use super::upload::Using;
use super::url::Endpoint;

/// What a target can be told. See the setters of [`HttpTarget`](super::HttpTarget).
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) http2: bool,
    pub(super) max_connections: usize,
    pub(super) max_idle: usize,
    pub(super) connect_timeout: Duration,
    pub(super) write_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http2: false,
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
    permits: Arc<Semaphore>,
}

impl Connector {
    pub(super) fn new(endpoint: Endpoint, mut settings: Settings) -> Self {
        settings.max_connections = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(settings.max_connections));
        Self {
            endpoint,
            settings,
            permits,
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.settings.max_connections - self.permits.available_permits()
    }

    /// Dials once there is a permit; the sender is ready for its first request.
    pub(super) async fn http1(&self) -> Result<Sender, Error> {
        let (runtime, socket, Remote { broken, .. }) = self.dial().await?;
        let (mut send, connection) = http1::handshake(socket).await.map_err(Error::handshake)?;
        // What ends the connection reaches whoever uses it; an idle one just goes.
        runtime.spawn(connection.map(drop));
        send.ready().await.map_err(Error::handshake)?;
        Ok(Sender { send, broken })
    }

    /// Dials once there is a permit. Once the last that uses it is gone, so is the connection.
    pub(super) async fn http2(
        &self,
    ) -> Result<(http2::SendRequest<RequestBody>, Gone, Using), Error> {
        let (runtime, socket, remote) = self.dial().await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), socket)
            .await
            .map_err(Error::handshake)?;
        let (using, unused) = Using::new();
        let (gone, limit) = (remote.gone.clone(), self.settings.write_timeout);
        runtime.spawn(async move {
            // hyper does not notice that all have gone while a request waits for the peer to admit a stream,
            // nor closes while one waits for a window.
            let mut unused = select(unused, remote.gone.clone());
            drop(select(connection, &mut unused).await);
            unused.await;
            remote.end_after(limit).await;
        });
        Ok((sender, gone, using))
    }

    async fn dial(&self) -> Result<(Handle, TokioIo<Socket>, Remote), Error> {
        let runtime = Handle::try_current().map_err(|e| Error::connect(io::Error::other(e)))?;
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|e| Error::connect(io::Error::other(e)))?;
        // tokio panics where the runtime has no IO or no timers; to the caller that is one more way not to connect.
        let socket = AssertUnwindSafe(self.open(permit)).catch_unwind().await;
        let socket = socket
            .unwrap_or_else(|_| Err(io::Error::other("the tokio runtime has no IO or no timers")));
        let (socket, remote) = socket.map_err(Error::connect)?;
        Ok((runtime, TokioIo::new(socket), remote))
    }

    async fn open(&self, permit: OwnedSemaphorePermit) -> io::Result<(Socket, Remote)> {
        let Settings {
            connect_timeout,
            write_timeout,
            ..
        } = self.settings;
        let connect = TcpStream::connect((&*self.endpoint.host, self.endpoint.port));
        let stream = tokio::time::timeout(connect_timeout, connect)
            .await
            .map_err(|_| {
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {connect_timeout:?}"),
                )
            })??;
        stream.set_nodelay(true)?;
        Ok(Socket::new(stream, permit, write_timeout))
    }
}
