//! Dialling the endpoint and starting HTTP on the socket.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::RequestBody;
use super::error::Error;
use super::io::{Gone, Socket};
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
    pub(super) async fn http1(&self) -> Result<http1::SendRequest<RequestBody>, Error> {
        let (runtime, socket, _) = self.dial().await?;
        let (mut sender, connection) = http1::handshake(socket).await.map_err(Error::handshake)?;
        // What ends the connection reaches whoever uses it; an idle one just goes.
        runtime.spawn(connection.map(drop));
        sender.ready().await.map_err(Error::handshake)?;
        Ok(sender)
    }

    /// Dials once there is a permit.
    pub(super) async fn http2(&self) -> Result<(http2::SendRequest<RequestBody>, Gone), Error> {
        let (runtime, socket, gone) = self.dial().await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), socket)
            .await
            .map_err(Error::handshake)?;
        runtime.spawn(connection.map(drop));
        Ok((sender, gone))
    }

    async fn dial(&self) -> Result<(Handle, TokioIo<Socket>, Gone), Error> {
        let runtime = Handle::try_current().map_err(|e| Error::connect(io::Error::other(e)))?;
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|e| Error::connect(io::Error::other(e)))?;
        // tokio panics where the runtime has no IO or no timers; to the caller that is one more way not to connect.
        let socket = AssertUnwindSafe(self.open(permit)).catch_unwind().await;
        let socket = socket
            .unwrap_or_else(|_| Err(io::Error::other("the tokio runtime has no IO or no timers")));
        let (socket, gone) = socket.map_err(Error::connect)?;
        Ok((runtime, TokioIo::new(socket), gone))
    }

    async fn open(&self, permit: OwnedSemaphorePermit) -> io::Result<(Socket, Gone)> {
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
