//! What every group needs.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::Service;

/// Answers at once.
#[derive(Clone)]
pub(crate) struct Null;

impl<B> Service<Request<B>> for Null {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Full::default())))
    }
}

pub(crate) fn request() -> Request<Full<Bytes>> {
    let request = Request::get("/items?q=1")
        .header("host", "catalog")
        .header("x-user", "ada");
    request.body(Full::default()).expect("a valid request")
}

/// One call, polled once.
pub(crate) fn call<S>(service: &mut S, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>>,
{
    let mut answer = pin!(service.call(request));
    let _ = black_box(
        answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop())),
    );
}
