//! The end of an HTTP/2 connection, which h2 learns only when the responses that it would discard have been read.
//!
//! At the end of a connection, h2 (as of 0.4.20) turns each stream whose request has not ended into an error, also when
//! the response of that stream has arrived completely. Therefore the end of the connection is withheld from h2 while such
//! responses are read, for a limited time.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::io::Gone;
use super::life::FirstFrame;
use crate::guard::unpoisoned;
use crate::time::later;

/// How long a response that may have arrived can take to reach its reader. hyper delivers the head by a separate task, and
/// wakes the task of the reader.
const DELIVERY: Duration = Duration::from_millis(250);

/// What the requests of a connection share with its stream.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    shared: Arc<Shared>,
    has_begun: Gone,
}

#[derive(Debug, Default)]
struct Shared {
    has_ended: AtomicBool,
    has_settings: AtomicBool,
    /// Whether hyper opens no more streams.
    opens_no_more: AtomicBool,
    /// The bytes that h2 has written before the end.
    written: AtomicU64,
    /// How many of the requests that are being sent are at each [`Position`]: one number, so that a request is counted at each
    /// moment, also when its position changes.
    readers: AtomicU64,
    stream: AtomicWaker,
}

impl Ending {
    /// Whether the peer has ended the connection, so that it cannot serve another request.
    pub(super) fn has_begun(&self) -> bool {
        self.shared.has_ended.load(SeqCst)
    }

    /// Whether the settings of the server have arrived.
    pub(super) fn has_settings(&self) -> bool {
        self.shared.has_settings.load(SeqCst)
    }

    /// hyper opens no more streams. It drops the requests that it still has.
    pub(super) fn opens_no_more(&self) {
        self.shared.opens_no_more.store(true, SeqCst);
    }

    /// Waits for this.
    pub(super) fn begins(&self) -> Gone {
        self.has_begun.clone()
    }
}

/// How far a response was read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    /// Nothing had arrived when the reader last asked. Something may have arrived since then.
    Waiting,
    /// Something has arrived, and there may be more.
    Ahead,
    /// The response is complete, or is not read any more.
    Done,
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

/// A request on a connection, shared by the upload, which hyper has, and the reader of the response.
#[derive(Debug)]
pub(super) struct Track {
    ending: Ending,
    /// The bytes that h2 had written when hyper took the request; [`NOT_TAKEN`] before that.
    taken_at: AtomicU64,
    /// Whether hyper has read the body, which it does when the stream of the request is open.
    is_read: AtomicBool,
    /// Whether hyper dropped the request unread when it opened no more streams.
    was_waiting: AtomicBool,
    state: Mutex<State>,
}

const NOT_TAKEN: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct State {
    is_uploading: bool,
    position: Position,
}

impl State {
    /// What the request adds to the readers. h2 keeps the response of a request that has ended.
    fn counts(self) -> u64 {
        match self.is_uploading {
            true => self.position.one(),
            false => 0,
        }
    }
}

impl Track {
    /// hyper takes the request, and writes nothing of it before this.
    pub(super) fn is_taken(&self, has_upload: bool) {
        if self.taken_at.load(SeqCst) == NOT_TAKEN {
            let written = self.ending.shared.written.load(SeqCst);
            self.taken_at.store(written, SeqCst);
            self.set(|state| state.is_uploading = has_upload);
        }
    }

    /// hyper reads the body.
    pub(super) fn is_read(&self) {
        self.is_read.store(true, SeqCst);
    }

    /// hyper drops the upload. If there is nothing to upload, hyper does this when the stream is open.
    pub(super) fn is_uploaded(&self) {
        let is_late = self.ending.shared.opens_no_more.load(SeqCst);
        if is_late && !self.is_read.load(SeqCst) {
            self.was_waiting.store(true, SeqCst);
        }
        self.set(|state| state.is_uploading = false);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        let change = {
            let mut state = unpoisoned(self.state.lock());
            let before = state.counts();
            change(&mut state);
            state.counts().wrapping_sub(before)
        };
        if change != 0 {
            self.ending.shared.readers.fetch_add(change, SeqCst);
            if self.ending.has_begun() {
                self.ending.shared.stream.wake();
            }
        }
    }
}

/// The caller that waits for a response, and then reads it.
#[derive(Debug)]
pub(super) struct Reader(Arc<Track>);

impl Reader {
    pub(super) fn new(ending: &Ending) -> Self {
        Self(Arc::new(Track {
            ending: ending.clone(),
            taken_at: AtomicU64::new(NOT_TAKEN),
            is_read: AtomicBool::new(false),
            was_waiting: AtomicBool::new(false),
            state: Mutex::new(State {
                is_uploading: false,
                position: Position::Waiting,
            }),
        }))
    }

    pub(super) fn track(&self) -> Arc<Track> {
        self.0.clone()
    }

    /// Whether the connection has ended before h2 wrote anything of the request.
    pub(super) fn is_unsent(&self) -> bool {
        let ending = &self.0.ending;
        ending.has_begun() && self.0.taken_at.load(SeqCst) >= ending.shared.written.load(SeqCst)
    }

    /// Whether hyper has dropped the request before its stream was open. This is exact if hyper gives no other reason.
    pub(super) fn was_waiting(&self) -> bool {
        self.0.was_waiting.load(SeqCst)
    }

    /// The head has arrived, or a part of the body.
    pub(super) fn reads(&self) {
        self.0.set(|state| state.position = Position::Ahead);
    }

    pub(super) fn waits(&self) {
        self.0.set(|state| state.position = Position::Waiting);
    }

    pub(super) fn is_done(&self) {
        self.0.set(|state| state.position = Position::Done);
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
    shared: Arc<Shared>,
    settings: FirstFrame,
    /// Dropped when the end is read.
    begins: Option<oneshot::Sender<Infallible>>,
    /// The longest time that the end waits.
    limit: Duration,
    end: Option<io::Result<()>>,
    ended_at: Instant,
    /// Why nothing more can be written. h2 must not see this error before everything was read.
    unwritten: Option<io::Error>,
    delivery: Option<Pin<Box<Sleep>>>,
}

impl<S> UntilRead<S> {
    pub(super) fn new(stream: S, limit: Duration) -> (Self, Ending) {
        let (begins, has_begun) = oneshot::channel();
        let ending = Ending {
            shared: Arc::default(),
            has_begun: has_begun.shared(),
        };
        let stream = Self {
            stream,
            shared: ending.shared.clone(),
            settings: FirstFrame::default(),
            begins: Some(begins),
            limit,
            end: None,
            ended_at: Instant::now(),
            unwritten: None,
            delivery: None,
        };
        (stream, ending)
    }

    fn begin_end(&mut self, end: io::Result<()>) {
        // The limit for a peer that accepts nothing has passed already.
        if matches!(&end, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
            self.limit = self.limit.min(DELIVERY);
        }
        self.end = Some(end);
        self.ended_at = Instant::now();
        self.shared.has_ended.store(true, SeqCst);
        self.begins = None;
    }

    fn poll_readers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.shared;
        shared.stream.register(cx.waker());
        let limit = match shared.readers.load(SeqCst) {
            0 => return Poll::Ready(()),
            readers if readers < Position::Ahead.one() => self.limit.min(DELIVERY),
            _ => self.limit,
        };
        let until = later(self.ended_at, limit);
        let delivery = self
            .delivery
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if delivery.deadline() != until {
            delivery.as_mut().reset(until);
        }
        delivery.as_mut().poll(cx)
    }

    /// h2 takes bytes that could not be written for written.
    fn pretend(&mut self, cx: &Context<'_>, error: io::Error, bytes: usize) -> io::Result<usize> {
        self.unwritten = Some(error);
        // The end is found by reading.
        cx.waker().wake_by_ref();
        Ok(bytes)
    }

    fn received(&mut self, cx: &Context<'_>, bytes: &[u8]) {
        if self.settings.ends_in(bytes) {
            self.shared.has_settings.store(true, SeqCst);
            // The task of the connection looks at them when h2 has applied them.
            cx.waker().wake_by_ref();
        }
    }

    fn written(&self, bytes: usize) -> io::Result<usize> {
        self.shared.written.fetch_add(bytes as u64, SeqCst);
        Ok(bytes)
    }

    fn is_unwritable(&self) -> bool {
        self.unwritten.is_some() || self.end.is_some()
    }
}

impl<S> Drop for UntilRead<S> {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, SeqCst);
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
            let (before, start) = (buf.remaining(), buf.filled().len());
            match Pin::new(&mut this.stream).poll_read(cx, buf) {
                Poll::Ready(Ok(())) if before == 0 || buf.remaining() < before => {
                    this.received(cx, &buf.filled()[start..]);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(end) => this.begin_end(end),
                Poll::Pending => match this.unwritten.take() {
                    Some(error) => this.begin_end(Err(error)),
                    None => return Poll::Pending,
                },
            }
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
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
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
                Ok(bytes) => this.written(bytes),
                Err(error) => this.pretend(cx, error, all),
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
            Err(error) => this.pretend(cx, error, 0).map(drop),
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
