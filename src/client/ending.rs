//! The end of an HTTP/2 connection, which waits until what has arrived before it is read.
//!
//! At the end of a connection h2 forgets which responses were complete (as of 0.4.20, where a request has not ended before its
//! response): one that is not read to its end by then ends in an error. So h2 sees the end of the stream below it only
//! when each response was read as far as it has arrived.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long what has arrived may take to reach the one who waits for it. hyper delivers a head by a task of its own, and
/// wakes the task of a reader.
const DELIVERY: Duration = Duration::from_millis(250);

/// What the readers of a connection and its stream share.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    has_ended: AtomicBool,
    /// How many readers are at each [`Position`], in one number, so that none is missed while it changes its own.
    readers: AtomicU64,
    stream: AtomicWaker,
}

/// How far a response was read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    /// When it was last asked for, nothing had arrived. Since then something may have.
    Waiting,
    /// Something has arrived, and maybe more.
    Ahead,
    /// It is complete, or of no interest any more.
    Done,
}

/// The one who waits for a response, and then reads it.
#[derive(Debug)]
pub(super) struct Reader {
    ending: Ending,
    position: Position,
}

impl Ending {
    /// Whether the peer has ended the connection: it is of no use to another request.
    pub(super) fn has_begun(&self) -> bool {
        self.0.has_ended.load(SeqCst)
    }

    pub(super) fn reader(&self) -> Reader {
        self.0.readers.fetch_add(Position::Waiting.one(), SeqCst);
        Reader {
            ending: self.clone(),
            position: Position::Waiting,
        }
    }
}

impl Position {
    const fn one(self) -> u64 {
        match self {
            Self::Waiting => 1,
            Self::Ahead => 1 << 32,
            Self::Done => 0,
        }
    }
}

impl Reader {
    /// The head has arrived, or a part of the body.
    pub(super) fn reads(&mut self) {
        self.set(Position::Ahead);
    }

    pub(super) fn waits(&mut self) {
        self.set(Position::Waiting);
    }

    pub(super) fn is_done(&mut self) {
        self.set(Position::Done);
    }

    fn set(&mut self, position: Position) {
        if position == self.position {
            return;
        }
        let change = position.one().wrapping_sub(self.position.one());
        self.ending.0.readers.fetch_add(change, SeqCst);
        self.position = position;
        if self.ending.has_begun() {
            self.ending.0.stream.wake();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.is_done();
    }
}

/// A stream whose end waits for the readers.
#[derive(Debug)]
pub(super) struct UntilRead<S> {
    stream: S,
    ending: Ending,
    end: Option<io::Result<()>>,
    /// Why nothing more can be written. h2 is not shown this, since it would be the end of what can be read.
    unwritten: Option<io::Error>,
    delivery: Option<Pin<Box<Sleep>>>,
}

impl<S> UntilRead<S> {
    pub(super) fn new(stream: S, ending: Ending) -> Self {
        Self {
            stream,
            ending,
            end: None,
            unwritten: None,
            delivery: None,
        }
    }

    fn poll_readers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.ending.0;
        shared.stream.register(cx.waker());
        let readers = shared.readers.load(SeqCst);
        if readers >= Position::Ahead.one() {
            return Poll::Pending;
        }
        if readers > 0 {
            let delivery = self
                .delivery
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(DELIVERY)));
            return delivery.as_mut().poll(cx);
        }
        Poll::Ready(())
    }

    fn written(&mut self, cx: &Context<'_>, error: io::Error, bytes: usize) -> io::Result<usize> {
        self.unwritten = Some(error);
        // The end is found by reading.
        cx.waker().wake_by_ref();
        Ok(bytes)
    }

    fn is_unwritable(&self) -> bool {
        self.unwritten.is_some() || self.end.is_some()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for UntilRead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.end.is_none() {
            let before = buf.remaining();
            match Pin::new(&mut this.stream).poll_read(cx, buf) {
                Poll::Ready(Ok(())) if before == 0 || buf.remaining() < before => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(end) => this.end = Some(end),
                Poll::Pending => match this.unwritten.take() {
                    Some(error) => this.end = Some(Err(error)),
                    None => return Poll::Pending,
                },
            }
            this.ending.0.has_ended.store(true, SeqCst);
        }
        ready!(this.poll_readers(cx));
        Poll::Ready(this.end.replace(Ok(())).unwrap_or(Ok(())))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for UntilRead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_unwritable() {
            return Poll::Ready(Ok(buf.len()));
        }
        Poll::Ready(
            match ready!(Pin::new(&mut this.stream).poll_write(cx, buf)) {
                Ok(bytes) => Ok(bytes),
                Err(error) => this.written(cx, error, buf.len()),
            },
        )
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if this.is_unwritable() {
            return Poll::Ready(Ok(all));
        }
        Poll::Ready(
            match ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)) {
                Ok(bytes) => Ok(bytes),
                Err(error) => this.written(cx, error, all),
            },
        )
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_unwritable() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match ready!(Pin::new(&mut this.stream).poll_flush(cx)) {
            Ok(()) => Ok(()),
            Err(error) => this.written(cx, error, 0).map(drop),
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
