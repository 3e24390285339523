//! What a request over HTTP/2 has to send, and whether the peer takes it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::body::RequestBody;
use super::error::RequestBodyError;

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
    body: RequestBody,
    progress: Arc<Progress>,
    _held: oneshot::Sender<Infallible>,
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
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.progress
            .waits_for_caller
            .store(frame.is_pending(), Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// For whoever sent it.
#[derive(Debug)]
pub(super) struct Upload {
    progress: Weak<Progress>,
    held: oneshot::Receiver<Infallible>,
}

/// What hyper is to be given instead of `body`.
pub(super) fn watch(body: RequestBody) -> (Upload, RequestBody) {
    let progress = Arc::new(Progress::default());
    let (sender, held) = oneshot::channel();
    let upload = Upload {
        progress: Arc::downgrade(&progress),
        held,
    };
    let watched = Watched {
        body,
        progress,
        _held: sender,
    };
    (upload, watched.into())
}

impl Upload {
    /// Whether hyper has let go of the body.
    pub(super) fn is_over(&mut self) -> bool {
        self.held.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// Waits until hyper has let go of the body, or for `limit` could not get rid of any of it: then this is true.
    pub(super) async fn gets_stuck(mut self, limit: Duration) -> bool {
        while let Some(asked) = self.asked() {
            if tokio::time::timeout(limit, &mut self.held).await.is_ok() {
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
