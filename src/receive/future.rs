//! The `ResponseFuture` of a `ReadOnly`: the service's response, or the refusal after the body has
//! been read.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

pin_project! {
    /// The future of the response of a [`ReadOnly`](super::ReadOnly).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B, R> {
        #[pin]
        state: State<F, B, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B, R> {
        Serving {
            #[pin]
            answer: F,
        },
        // The body is read before the refusal, because an unread body would close the mirror's
        // connection, and each copy would then need a new connection.
        Refusing {
            #[pin]
            body: B,
            left: u64,
            answer: Option<Response<R>>,
        },
    }
}

impl<F, B, R> ResponseFuture<F, B, R> {
    pub(super) fn serving(answer: F) -> Self {
        Self {
            state: State::Serving { answer },
        }
    }

    pub(super) fn refusing(body: B, answer: Response<R>, max_bytes: u64) -> Self {
        Self {
            state: State::Refusing {
                body,
                left: max_bytes,
                answer: Some(answer),
            },
        }
    }
}

impl<F, B, R, E> Future for ResponseFuture<F, B, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    B: Body,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            StateProjection::Serving { answer } => answer.poll(cx),
            StateProjection::Refusing { body, left, answer } => {
                ready!(poll_read(body, left, cx));
                match answer.take() {
                    Some(answer) => Poll::Ready(Ok(answer)),
                    None => Poll::Pending, // the future was polled again after its end
                }
            }
        }
    }
}

/// Reads the body until its end, an error, or `left` bytes.
fn poll_read<B: Body>(mut body: Pin<&mut B>, left: &mut u64, cx: &mut Context<'_>) -> Poll<()> {
    while *left > 0 && !body.is_end_stream() {
        let Some(Ok(frame)) = ready!(body.as_mut().poll_frame(cx)) else {
            break;
        };
        // Each frame counts as at least one byte, so that a body of empty frames also reaches the
        // limit.
        let bytes = frame.data_ref().map_or(1, |data| data.remaining().max(1));
        *left = left.saturating_sub(bytes as u64);
    }
    Poll::Ready(())
}

/// The output contains neither the body nor the response.
impl<F, B, R> fmt::Debug for ResponseFuture<F, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Serving { .. } => "Serving",
            State::Refusing { .. } => "Refusing",
        };
        f.debug_tuple("ResponseFuture")
            .field(&format_args!("{state}"))
            .finish()
    }
}
