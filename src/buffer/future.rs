//! The `ResponseFuture`: first the request's body is read, then the service responds.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{body::BufferedBody, collected::Collected};
use crate::{body::Announced, marker::BodyIsBuffered};

pin_project! {
    /// The response of a [`RequestBodyBuffer`](super::RequestBodyBuffer). Dropped while the body is read, the
    /// service is not called.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Reading {
            // Made ready before.
            service: S,
            request: Option<Request<B>>,
            announced: Announced,
            collected: Collected,
        },
        Calling {
            #[pin]
            answer: F,
        },
    }
}

/// Without the request and what has arrived of its body: neither belongs in a log.
impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Reading { .. } => "Reading",
            State::Calling { .. } => "Calling",
        };
        f.debug_tuple("ResponseFuture")
            .field(&format_args!("{state}"))
            .finish()
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) fn calling(answer: F) -> Self {
        Self {
            state: State::Calling { answer },
        }
    }

    pub(super) fn reading(
        service: S,
        request: Request<B>,
        announced: Announced,
        max_bytes: u64,
    ) -> Self {
        // A body that is longer than declared is as little complete as one that is too long to be held.
        let max_bytes = announced
            .length
            .map_or(max_bytes, |length| length.min(max_bytes));
        Self {
            state: State::Reading {
                service,
                request: Some(request),
                announced,
                collected: Collected::new(max_bytes),
            },
        }
    }
}

impl<S, B> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<BufferedBody<B>>>,
    B: Body<Data = Bytes> + Unpin,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let answer = match state.as_mut().project() {
                StateProjection::Calling { answer } => return answer.poll(cx),
                StateProjection::Reading {
                    service,
                    request,
                    announced,
                    collected,
                } => {
                    let Some(reading) = request else {
                        return Poll::Pending; // polled after a panic of the service
                    };
                    let last = ready!(poll_read(reading.body_mut(), collected, cx));
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    service.call(pass_on(request, announced, collected, last))
                }
            };
            state.set(State::Calling { answer });
        }
    }
}

/// Reads to the body's end, or up to what cannot be held: a frame too many, or an error.
fn poll_read<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    collected: &mut Collected,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
    loop {
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        if let Err(frame) = collected.push(frame) {
            return Poll::Ready(Some(Ok(frame)));
        }
        // A known end need not be waited for.
        if collected.has_trailers() || body.is_end_stream() {
            return Poll::Ready(None);
        }
    }
}

fn pass_on<B: Body>(
    request: Request<B>,
    announced: &Announced,
    collected: &mut Collected,
    last: Option<Result<Frame<Bytes>, B::Error>>,
) -> Request<BufferedBody<B>> {
    let held = collected.take();
    let says_ended = held.trailers.is_some() || request.body().is_end_stream();
    match last {
        Some(last) => request.map(|rest| BufferedBody::begun(held, last, rest)),
        None if announced.is_cut(held.bytes, says_ended) => {
            request.map(|_| BufferedBody::cut(held))
        }
        None => {
            let buffered = BodyIsBuffered {
                bytes: held.bytes,
                has_trailers: held.trailers.is_some(),
            };
            let mut request = request.map(|_| BufferedBody::whole(held));
            request.extensions_mut().insert(buffered);
            request
        }
    }
}
