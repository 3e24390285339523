//! The primary's answer, on its way.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::join::PrimarySide;

pin_project! {
    /// The primary's future, unchanged.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // Dropped before the primary's future and the body in it, which is how an
        // abort by the client is told from a body that the primary left unread.
        side: Option<PrimarySide>,
        #[pin]
        primary: F,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(primary: F, side: Option<PrimarySide>) -> Self {
        Self { side, primary }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.side.is_none() {
            return this.primary.poll(cx);
        }
        let answer = ready!(this.primary.poll(cx));
        if let Some(side) = this.side.take() {
            side.ended(answer.as_ref().ok());
        }
        Poll::Ready(answer)
    }
}
