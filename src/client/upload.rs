//! The body of a request: whether an HTTP/2 peer accepts it, and what is needed to send it again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::oneshot;

use super::ending::Track;
use super::error::RequestBodyError;
use crate::BoxError;
use crate::time::within;

/// The most bytes of a body that are kept until its request is answered, to be sent again.
const MOST_KEPT: usize = 64 * 1024;
/// How long hyper may take to drop the body of a failed request. It needs microseconds.
const SOON: Duration = Duration::from_secs(1);

/// The body of a request. Its type is erased, so that a target is one type for all bodies.
pub(super) enum RequestBody {
    /// An empty body, as most requests have. hyper still asks for its length.
    Ended(SizeHint),
    Boxed(UnsyncBoxBody<Bytes, RequestBodyError>),
    /// A body that was sent before to a server that did not process it.
    Again(Box<Again>),
}

/// The frames that were read before, then the rest of the body.
pub(super) struct Again {
    pub(super) read: VecDeque<Read>,
    pub(super) rest: RequestBody,
}

/// A frame that was read.
#[derive(Clone)]
pub(super) enum Read {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Again {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match self.read.pop_front() {
            Some(Read::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Read::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = |read: &Read| match read {
            Read::Data(data) => data.len() as u64,
            Read::Trailers(_) => 0,
        };
        let read: u64 = self.read.iter().map(length).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl RequestBody {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::Ended(body.size_hint());
        }
        let body = body.map_err(|error| RequestBodyError(error.into()));
        Self::Boxed(body.boxed_unsync())
    }
}

impl From<Watched> for RequestBody {
    fn from(body: Watched) -> Self {
        Self::Boxed(UnsyncBoxBody::new(body))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut *self {
            Self::Ended(_) => Poll::Ready(None),
            Self::Boxed(body) => Pin::new(body).poll_frame(cx),
            Self::Again(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ended(_) => true,
            Self::Boxed(body) => body.is_end_stream(),
            Self::Again(body) => body.read.is_empty() && body.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Only newer versions of http-body implement `Copy` for it.
            #[allow(clippy::clone_on_copy)]
            Self::Ended(length) => length.clone(),
            Self::Boxed(body) => body.size_hint(),
            Self::Again(body) => body.size_hint(),
        }
    }
}

/// Held by all users of a connection. Its receiver completes when the last of them is dropped.
#[derive(Clone, Debug)]
pub(super) struct Using(Arc<oneshot::Sender<Infallible>>);

impl Using {
    pub(super) fn new() -> (Self, oneshot::Receiver<Infallible>) {
        let (sender, unused) = oneshot::channel();
        (Self(Arc::new(sender)), unused)
    }

    /// How many users the connection has besides the pool.
    pub(super) fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Identifies the connection.
    pub(super) fn id(&self) -> UsingId {
        UsingId(Arc::downgrade(&self.0))
    }
}

#[derive(Debug)]
pub(super) struct UsingId(Weak<oneshot::Sender<Infallible>>);

impl PartialEq for UsingId {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

/// The body of a request, watched while hyper has it.
pub(super) struct Watched {
    /// `None` once it was returned.
    body: Option<RequestBody>,
    progress: Arc<Progress>,
    /// The frames that hyper has read. `None` if they are too many to be kept.
    read: Option<VecDeque<Read>>,
    bytes: usize,
    returned: Weak<Returned>,
    held: Option<oneshot::Sender<Infallible>>,
    track: Arc<Track>,
}

/// The body of a request that was not answered, once hyper has dropped it.
#[derive(Default)]
struct Returned(Mutex<Option<RequestBody>>);

impl std::fmt::Debug for Returned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Returned")
    }
}

impl Watched {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let read = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Read::Data(data.clone()),
            (None, Some(trailers)) => Read::Trailers(trailers.clone()),
            (None, None) => return self.read = None,
        };
        self.bytes += frame.data_ref().map_or(0, Bytes::len);
        match &mut self.read {
            Some(kept) if self.bytes <= MOST_KEPT => kept.push_back(read),
            kept => *kept = None,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let (Some(returned), Some(read), Some(rest)) =
            (self.returned.upgrade(), self.read.take(), self.body.take())
        {
            let again = RequestBody::Again(Box::new(Again { read, rest }));
            *returned.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(again);
        }
        // Only now, so that the task that waits for this finds the body.
        self.held = None;
        self.track.is_uploaded();
    }
}

#[derive(Debug, Default)]
struct Progress {
    /// How often hyper has asked for a frame, which it does when it has sent the one before.
    asked: AtomicUsize,
    waits_for_caller: AtomicBool,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        self.progress.asked.fetch_add(1, Relaxed);
        self.track.is_read();
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(cx);
        self.progress
            .waits_for_caller
            .store(frame.is_pending(), Relaxed);
        match &frame {
            Poll::Ready(Some(Ok(frame))) if self.read.is_some() => {
                // A request with a response is not sent again.
                if self.returned.strong_count() == 0 {
                    self.read = None;
                } else {
                    self.keep(frame);
                }
            }
            Poll::Ready(Some(Err(_))) => self.read = None,
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let has_ended = self.body.as_ref().is_none_or(RequestBody::is_end_stream);
        // hyper calls this before h2 gets the request.
        self.track.is_taken(!has_ended);
        has_ended
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// The side of the sender.
#[derive(Debug)]
pub(super) struct Upload {
    progress: Weak<Progress>,
    held: oneshot::Receiver<Infallible>,
    /// `None` once the response has arrived.
    returned: Option<Arc<Returned>>,
}

/// Wraps `body` for hyper.
pub(super) fn watch(body: RequestBody, track: Arc<Track>) -> (Upload, RequestBody) {
    let progress = Arc::new(Progress::default());
    let returned = Arc::new(Returned::default());
    let (sender, held) = oneshot::channel();
    let watched = Watched {
        body: Some(body),
        read: Some(VecDeque::new()),
        bytes: 0,
        returned: Arc::downgrade(&returned),
        held: Some(sender),
        track,
        progress,
    };
    let upload = Upload {
        progress: Arc::downgrade(&watched.progress),
        held,
        returned: Some(returned),
    };
    (upload, watched.into())
}

impl Upload {
    /// The response has arrived, so that the request is not sent again.
    pub(super) fn answered(&mut self) {
        self.returned = None;
    }

    /// The body as it was before it was sent. `None` if too much of it was read, or if hyper does not drop it.
    pub(super) async fn returned(mut self) -> Option<RequestBody> {
        let returned = self.returned.take()?;
        within(SOON, &mut self.held).await?.err()?;
        returned
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether hyper has dropped the body.
    pub(super) fn is_over(&mut self) -> bool {
        self.held.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// Waits until hyper has dropped the body, which gives `false`, or has sent nothing of it for `limit`, which gives `true`.
    pub(super) async fn gets_stuck(mut self, limit: Duration) -> bool {
        while let Some(asked) = self.asked() {
            if within(limit, &mut self.held).await.is_some() {
                return false;
            }
            let waits = |progress: Arc<Progress>| progress.waits_for_caller.load(Relaxed);
            if self.asked() == Some(asked) && !self.progress.upgrade().is_some_and(waits) {
                return true;
            }
        }
        false
    }

    fn asked(&self) -> Option<usize> {
        let progress = self.progress.upgrade()?;
        Some(progress.asked.load(Relaxed))
    }
}
