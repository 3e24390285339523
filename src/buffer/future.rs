//! The `ResponseFuture`, which first reads the request's body and then calls the service.

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
    /// The response future of a [`RequestBodyBuffer`](super::RequestBodyBuffer). If it is dropped
    /// while the body is being read, the service is not called.
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
            // This service has been polled to readiness.
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

/// Omits the request and the part of its body that has arrived, because neither belongs in a log.
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
        // A body that is longer than its declared length is handled like a body that exceeds the
        // cap: it is not held completely, and the service reads its rest as a stream.
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
                        return Poll::Pending; // The future is polled after a panic of the service.
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

/// Reads until the body ends, or until a frame or an error arrives that cannot be held.
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
        // If the end is already known, the body is not polled again.
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
