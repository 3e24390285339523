//! What HTTP is spoken over: a socket, or TLS on one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
#[cfg(feature = "rustls")]
use tokio_rustls::client::TlsStream;

use super::io::{Socket, Wire};

#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    // Around the socket, whose limit on writes so sees what the peer takes, not what the TLS buffer does.
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
    /// The version of HTTP that was selected by ALPN; HTTP/1.1 where a TLS server selects none.
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
