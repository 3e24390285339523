//! The stream below HTTP: a socket, which is counted while it exists and closed when its peer accepts nothing, or TLS on a socket.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, Sleep};
#[cfg(feature = "rustls")]
use tokio_rustls::client::TlsStream;

use crate::time::later;

/// A TCP stream whose writes fail once they have made no progress for a while.
///
/// The task of the connection owns the body of an aborted request until hyper could flush what it has read of the body. Without
/// the limit, a peer that stops reading would keep the task, the socket and the body for ever.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    stall: Stall,
    pub(super) wire: Wire,
    ended: Option<oneshot::Receiver<()>>,
    /// Here and not in the request, since the limit is about sockets that exist.
    _permit: OwnedSemaphorePermit,
    /// Dropped with the socket, which completes [`Gone`].
    _gone: oneshot::Sender<Infallible>,
}

/// A handle to a socket that hyper owns.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) wire: Wire,
    pub(super) gone: Gone,
    end: oneshot::Sender<()>,
}

impl Remote {
    /// Closes the socket unless it is closed within `limit`.
    pub(super) async fn end_after(self, limit: Duration) {
        if tokio::time::timeout(limit, self.gone).await.is_err() {
            self.wire.set_broken(true);
            let _ = self.end.send(());
        }
    }
}

/// What code outside of hyper knows about a socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    broken: AtomicBool,
    received: AtomicU64,
}

impl Wire {
    /// Sets whether a request was aborted on the socket. Such a socket is reset when it closes, since after an ordinary close
    /// the kernel would try for minutes to send the rest of the request to a peer that does not read.
    pub(super) fn set_broken(&self, broken: bool) {
        self.0.broken.store(broken, Relaxed);
    }

    /// Bytes that HTTP has read so far.
    pub(super) fn received(&self) -> u64 {
        self.0.received.load(Relaxed)
    }

    pub(super) fn receive(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Relaxed);
    }
}

/// Completes when the socket is closed.
pub(super) type Gone = Shared<oneshot::Receiver<Infallible>>;

#[derive(Debug)]
struct Stall {
    limit: Duration,
    stalled: bool,
    /// Made by the first write that has to wait. Most connections never need it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        limit: Duration,
    ) -> (Self, Remote) {
        let (sender, gone) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let wire = Wire::default();
        let remote = Remote {
            wire: wire.clone(),
            gone: gone.shared(),
            end,
        };
        let socket = Self {
            stream,
            stall: Stall {
                limit,
                stalled: false,
                timer: None,
            },
            wire,
            ended: Some(ended),
            _permit: permit,
            _gone: sender,
        };
        (socket, remote)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.wire.0.broken.load(Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl Stall {
    fn check(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        wire: &Wire,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = false;
            return written;
        }
        // The runtime has timers: it is the one on which the connection was dialled, and a dial needs timers.
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| {
            self.stalled = true;
            Box::pin(tokio::time::sleep(limit))
        });
        if !self.stalled {
            self.stalled = true;
            timer.as_mut().reset(later(Instant::now(), limit));
        }
        ready!(timer.as_mut().poll(cx));
        wire.set_broken(true);
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no write progress for {limit:?}"),
        )))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(Poll::Ready(ended)) = self.ended.as_mut().map(|ended| ended.poll_unpin(cx)) {
            self.ended = None;
            if ended.is_ok() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

// Only writes are watched, since the flush and the shutdown of a TCP stream never wait.
impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.stall.check(cx, written, &this.wire)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Most requests are one slice, for which `send` costs less than `writev`.
        if let [buf] = bufs {
            return self.poll_write(cx, buf);
        }
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.stall.check(cx, written, &this.wire)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The stream of a connection.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    // TLS is around the socket, so that the write timeout sees what the peer accepts, and not what the TLS buffer accepts.
    #[cfg(feature = "rustls")]
    Tls(Box<TlsStream<Socket>>),
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain(socket) => {
                let $stream = Pin::new(socket);
                $call
            }
            #[cfg(feature = "rustls")]
            Stream::Tls(tls) => {
                let $stream = Pin::new(&mut **tls);
                $call
            }
        }
    };
}

impl Stream {
    /// The version of HTTP that ALPN selected, or HTTP/1.1 if a TLS server selected none.
    pub(super) fn selected(&self) -> Option<Version> {
        match self {
            Self::Plain(_) => None,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => Some(match tls.get_ref().1.alpn_protocol() {
                Some(b"h2") => Version::HTTP_2,
                _ => Version::HTTP_11,
            }),
        }
    }
}

impl Stream {
    fn wire(&self) -> &Wire {
        match self {
            Self::Plain(socket) => &socket.wire,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => &tls.get_ref().0.wire,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut this = self;
        let before = buf.filled().len();
        let stream = this.as_mut();
        let read = either!(stream, stream => stream.poll_read(cx, buf));
        this.wire().receive(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
