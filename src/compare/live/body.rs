//! `ComparedBody`: the body of the primary's answer, which passes through.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{drop_reason::DropReason, triple::Triple};
use crate::guard::guarded;

pin_project! {
    /// The body of the primary's answer: the same frames, trailers, length, end and errors.
    ///
    /// If the request is compared, the body keeps a reference to each of its frames as it passes by, within the limits of the
    /// comparison. It does not copy, parse or hash them, and it waits for nothing except the body itself.
    ///
    /// # Example
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use tower_mirror::compare::ComparedBody;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// async fn length(body: ComparedBody<Full<Bytes>>) -> usize {
    ///     body.collect().await.map_or(0, |body| body.to_bytes().len())
    /// }
    /// # let _ = length;
    /// # }
    /// ```
    pub struct ComparedBody<R> {
        #[pin]
        body: R,
        tap: Option<Tap>,
    }
}

impl<R> ComparedBody<R> {
    /// A body that is not compared.
    pub(super) fn plain(body: R) -> Self {
        Self { body, tap: None }
    }
}

impl<R: Body<Data = Bytes>> ComparedBody<R> {
    /// `has_body`: the answer is one that has a body. One to HEAD has none, whatever the service gives.
    pub(super) fn tapped(body: R, triple: Arc<Triple>, has_body: bool) -> Self {
        let mut tap = Tap {
            triple: Some(triple),
            declared: None,
            length: 0,
        };
        // What a body says about itself may be a user's code. The primary has not asked.
        let said = guarded(|| (body.is_end_stream(), body.size_hint().exact()));
        let (is_end, declared) = said.unwrap_or((false, None));
        tap.declared = declared;
        if is_end || !has_body {
            tap.end();
            return Self::plain(body);
        }
        Self {
            body,
            tap: Some(tap),
        }
    }
}

impl<R: Body<Data = Bytes>> Body for ComparedBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let mut this = self.project();
        let polled = ready!(this.body.as_mut().poll_frame(cx));
        if let Some(tap) = this.tap {
            let is_end = || guarded(|| this.body.is_end_stream());
            if !tap.see(&polled, || is_end().unwrap_or(false)) {
                *this.tap = None;
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Without the body itself, whose own form may show bytes.
impl<R> fmt::Debug for ComparedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComparedBody")
            .field("is_compared", &self.tap.is_some())
            .finish_non_exhaustive()
    }
}

/// Keeps the frames that pass. If it is dropped before the end, the client has gone.
struct Tap {
    /// `None` after the end only.
    triple: Option<Arc<Triple>>,
    /// Bytes of the body, where they are known: a server may stop after the last of them.
    declared: Option<u64>,
    length: u64,
}

impl Tap {
    /// Takes what the body gave, and says whether there is more to keep.
    fn see<E>(
        &mut self,
        polled: &Option<Result<Frame<Bytes>, E>>,
        is_end: impl FnOnce() -> bool,
    ) -> bool {
        let Some(triple) = &self.triple else {
            return false;
        };
        match polled {
            Some(Ok(frame)) => {
                let is_kept = match (frame.data_ref(), frame.trailers_ref()) {
                    (Some(data), _) => {
                        self.length += data.len() as u64;
                        data.is_empty() || triple.primary_data(data.clone())
                    }
                    (None, Some(trailers)) => triple.primary_trailers(trailers.clone()),
                    (None, None) => true,
                };
                if !is_kept {
                    self.triple = None;
                    return false;
                }
                // A server does not ask for the final `None` of a body that says it has ended.
                if !is_end() {
                    return true;
                }
            }
            Some(Err(_)) => {
                triple.discard(DropReason::PrimaryFailed);
                self.triple = None;
                return false;
            }
            None => {}
        }
        self.end();
        false
    }

    /// The answer is whole.
    fn end(&mut self) {
        if let Some(triple) = self.triple.take() {
            triple.primary_ended();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let Some(triple) = &self.triple else {
            return;
        };
        if self.declared == Some(self.length) {
            self.end();
        } else if thread::panicking() {
            triple.discard(DropReason::PrimaryFailed);
        } else {
            triple.discard(DropReason::ClientGone);
        }
    }
}
