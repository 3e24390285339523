//! `BufferedBody`: the body that the service reads.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::collected::Held;

pin_project! {
    /// A body that was read before the request was forwarded. It consists either of the whole body,
    /// or of the part that was read and then the rest.
    ///
    /// Data, trailers and error are those of the original body, but the data may be divided into
    /// frames differently. The type does not implement `Clone`, because the clone of an incomplete
    /// body would be shorter than the original: see [`try_clone`](Self::try_clone).
    ///
    /// # Example
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body::Body;
    /// use tower_mirror::BufferedBody;
    ///
    /// /// Returns a second request with the same body, if the body is complete.
    /// fn again<B: Body<Data = Bytes>>(request: &Request<BufferedBody<B>>) -> Option<Request<BufferedBody<B>>> {
    ///     Some(Request::new(request.body().try_clone()?))
    /// }
    /// # let _ = again::<http_body_util::Full<Bytes>>;
    /// ```
    pub struct BufferedBody<B>
    where
        B: Body,
    {
        held: Held,
        is_begun: bool,
        // The last result of the original body, with which the reading stopped: a frame that
        // exceeds the cap, or the body's error.
        last: Option<Result<Frame<Bytes>, B::Error>>,
        // The original body, which yields the rest. `None` if all frames that arrived are held.
        #[pin]
        rest: Option<B>,
        // Whether the body ended before its announced end.
        is_cut: bool,
    }
}

impl<B: Body> BufferedBody<B> {
    pub(super) fn whole(held: Held) -> Self {
        Self {
            held,
            is_begun: false,
            last: None,
            rest: None,
            is_cut: false,
        }
    }

    /// Creates a body that its client ended before the announced end.
    pub(super) fn cut(held: Held) -> Self {
        Self {
            is_cut: true,
            ..Self::whole(held)
        }
    }

    /// Creates a body that was not read, because its declared length exceeds the cap.
    pub(super) fn unread(rest: B) -> Self {
        Self {
            rest: Some(rest),
            ..Self::whole(Held::default())
        }
    }

    pub(super) fn begun(held: Held, last: Result<Frame<Bytes>, B::Error>, rest: B) -> Self {
        Self {
            last: Some(last),
            rest: Some(rest),
            ..Self::whole(held)
        }
    }

    /// Returns whether the whole body had arrived before it was forwarded. Reading such a body does
    /// not wait and cannot fail.
    ///
    /// A body is not complete if it ended before its declared length or its HTTP/2 stream was
    /// reset, although a server may report this as an ordinary end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rest.is_none() && !self.is_cut
    }

    /// Returns a second body with the same content, if this one is complete and no frame of it has
    /// been read. The two share their bytes.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        let is_whole = self.is_complete() && !self.is_begun;
        is_whole.then(|| Self::whole(self.held.clone()))
    }
}

impl<B: Body<Data = Bytes>> Body for BufferedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(frame) = this.held.pop() {
            *this.is_begun = true;
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(last));
        }
        match this.rest.as_pin_mut() {
            Some(rest) => rest.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty()
            && self.last.is_none()
            && !self.is_cut
            && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let last = match &self.last {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        let here = self.held.bytes.saturating_add(last);
        let mut hint = SizeHint::new();
        match &self.rest {
            Some(rest) => {
                let rest = rest.size_hint();
                hint.set_lower(here.saturating_add(rest.lower()));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(here.saturating_add(upper));
                }
            }
            // hyper drops the trailers of an HTTP/1 body whose length is exact.
            None if self.is_cut || self.held.trailers.is_some() => hint.set_lower(here),
            None => hint.set_exact(here),
        }
        hint
    }
}

impl<B: Body> fmt::Debug for BufferedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedBody")
            .field("is_complete", &self.is_complete())
            .field("held", &self.held.bytes)
            .finish_non_exhaustive()
    }
}
