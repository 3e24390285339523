//! The socket: counted while it exists, closed when its peer takes nothing.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, Sleep};

/// A TCP stream whose writes fail once they have made no progress for a while.
///
/// hyper's connection task owns the body of an aborted request until it could flush what it took of it; without the
/// limit a peer that stops reading keeps task, socket and body for ever.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    stall: Stall,
    /// In here, not beside the request: what is bounded is sockets that exist.
    _permit: OwnedSemaphorePermit,
    /// Likewise: dropped with the socket, which tells [`Gone`].
    _gone: oneshot::Sender<Infallible>,
}

/// Ends when the socket is gone.
pub(super) type Gone = Shared<oneshot::Receiver<Infallible>>;

#[derive(Debug)]
struct Stall {
    limit: Duration,
    stalled: bool,
    /// Made by the first write that has to wait; most connections never need it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        limit: Duration,
    ) -> (Self, Gone) {
        let (sender, gone) = oneshot::channel();
        let socket = Self {
            stream,
            stall: Stall {
                limit,
                stalled: false,
                timer: None,
            },
            _permit: permit,
            _gone: sender,
        };
        (socket, gone.shared())
    }
}

impl Stall {
    fn check(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        stream: &TcpStream,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = false;
            return written;
        }
        // No panic for want of timers: this runs on the runtime that dialled, and the dial had a timeout.
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| {
            self.stalled = true;
            Box::pin(tokio::time::sleep(limit))
        });
        if !self.stalled {
            self.stalled = true;
            timer.as_mut().reset(deadline(limit));
        }
        ready!(timer.as_mut().poll(cx));
        // A reset: an ordinary close would leave what the peer did not take with the kernel, which goes on trying.
        let _ = stream.set_zero_linger();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no write progress for {limit:?}"),
        )))
    }
}

/// `limit` from now, or so far away that nobody will see it.
fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .unwrap_or(now + Duration::from_secs(60 * 60 * 24 * 365 * 30))
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

// Only writes are watched: a TCP stream's flush and shutdown never wait, and say nothing about progress.
impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.stall.check(cx, written, &this.stream)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.stall.check(cx, written, &this.stream)
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
