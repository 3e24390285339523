//! The services around and inside the measured layers.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, combinators::MapErr};
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use super::body::Frames;

/// Answers at once, without reading the body.
#[derive(Clone)]
pub struct Null;

impl<B> Service<Request<B>> for Null {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Empty::new())))
    }
}

/// Reads the body to its end, frame by frame, and then answers.
#[derive(Clone)]
pub struct Reader;

pub struct Reading<B> {
    body: B,
}

impl<B: Body + Unpin> Service<Request<B>> for Reader {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Reading<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Reading<B> {
        let body = request.into_body();
        Reading { body }
    }
}

impl<B: Body + Unpin> Future for Reading<B> {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while !self.body.is_end_stream() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => drop(black_box(frame)),
                Some(Err(_)) => panic!("a body ended with an error"),
                None => break,
            }
        }
        Poll::Ready(Ok(Response::new(Empty::new())))
    }
}

/// Changes only the type of the body, which is the least that a layer around bodies does.
#[derive(Clone)]
pub struct Identity<S>(pub S);

pub type Mapped = MapErr<Frames, fn(Infallible) -> Infallible>;

impl<S: Service<Request<Mapped>>> Service<Request<Frames>> for Identity<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Frames>) -> S::Future {
        let same: fn(Infallible) -> Infallible = |never| never;
        self.0.call(request.map(|body| body.map_err(same)))
    }
}

/// Makes one call, which is answered at once.
pub fn call<S>(service: &mut S, request: Request<Frames>)
where
    S: Service<Request<Frames>>,
{
    let answer = pin!(service.call(request));
    let polled = answer.poll(&mut Context::from_waker(Waker::noop()));
    assert!(black_box(polled).is_ready());
}

pub fn runtime() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().build().expect("a runtime")
}
