//! What a request over HTTP/2 has to send, whether the peer takes it, and what is needed to send it again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::body::{Again, Read, RequestBody};
use super::error::RequestBodyError;
use crate::clock::within;

/// The most bytes of a body that are kept until its request is answered, to be sent again.
const MOST_KEPT: usize = 64 * 1024;
/// How long hyper may take to drop the body of a request that has failed. It needs microseconds.
const SOON: Duration = Duration::from_secs(1);

/// Held by all that use a connection; its receiver hears when the last has let go.
#[derive(Clone, Debug)]
pub(super) struct Using(Arc<oneshot::Sender<Infallible>>);

impl Using {
    pub(super) fn new() -> (Self, oneshot::Receiver<Infallible>) {
        let (sender, unused) = oneshot::channel();
        (Self(Arc::new(sender)), unused)
    }

    /// Tells connections apart.
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

/// A request's body, watched while hyper has it.
pub(super) struct Watched {
    /// `None` once it was given back.
    body: Option<RequestBody>,
    progress: Arc<Progress>,
    /// What hyper has read. `None` if that is too much to be kept.
    read: Option<VecDeque<Read>>,
    bytes: usize,
    returned: Weak<Returned>,
    held: Option<oneshot::Sender<Infallible>>,
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
        // Only now, so that whoever waits for this finds the body.
        self.held = None;
    }
}

#[derive(Debug, Default)]
struct Progress {
    /// hyper asks for a frame when it is rid of the one before.
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
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(cx);
        self.progress
            .waits_for_caller
            .store(frame.is_pending(), Relaxed);
        match &frame {
            Poll::Ready(Some(Ok(frame))) if self.read.is_some() => {
                // Nobody sends an answered request again.
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
        self.body.as_ref().is_none_or(RequestBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// For whoever sent it.
#[derive(Debug)]
pub(super) struct Upload {
    progress: Weak<Progress>,
    held: oneshot::Receiver<Infallible>,
    /// `None` once the request is answered.
    returned: Option<Arc<Returned>>,
}

/// What hyper is to be given instead of `body`.
pub(super) fn watch(body: RequestBody) -> (Upload, RequestBody) {
    let progress = Arc::new(Progress::default());
    let returned = Arc::new(Returned::default());
    let (sender, held) = oneshot::channel();
    let watched = Watched {
        body: Some(body),
        read: Some(VecDeque::new()),
        bytes: 0,
        returned: Arc::downgrade(&returned),
        held: Some(sender),
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
    /// The request is answered, and will not be sent again.
    pub(super) fn answered(&mut self) {
        self.returned = None;
    }

    /// The body as it was, unless too much of it was read or hyper does not drop it.
    pub(super) async fn returned(mut self) -> Option<RequestBody> {
        let returned = self.returned.take()?;
        within(SOON, &mut self.held).await?.err()?;
        returned
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether hyper has let go of the body.
    pub(super) fn is_over(&mut self) -> bool {
        self.held.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// Waits until hyper has let go of the body, or for `limit` could not get rid of any of it: then this is true.
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
