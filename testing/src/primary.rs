//! `Primary`: reads a configured part of a body, and then answers, fails or hangs.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use http_body_util::Full;
use tower::Service;
use tower_mirror::BoxError;

use super::{Broken, Stream, lock, read};

/// The part of the body that a primary reads before it drops the body.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    All,
    Frames(usize),
    /// Reads this many bytes, as a consumer of an exact `Content-Length` does. It never polls for
    /// `None`.
    Bytes(usize),
}

/// The behaviour of a primary after it has read.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    Answers(u16),
    AnswersAfter(Duration),
    Fails,
    Hangs,
}

#[derive(Clone, Debug)]
pub struct Primary {
    reads: Reads,
    then: Then,
    seen: Arc<Mutex<Vec<(Parts, Stream)>>>,
}

impl Primary {
    pub fn new(reads: Reads, then: Then) -> Self {
        Self {
            reads,
            then,
            seen: Arc::default(),
        }
    }

    /// Reads all and answers 200.
    pub fn reading() -> Self {
        Self::new(Reads::All, Then::Answers(200))
    }

    /// Reads nothing and answers 200.
    pub fn ignoring() -> Self {
        Self::new(Reads::Frames(0), Then::Answers(200))
    }

    /// Returns the requests so far. Each is recorded when its body was read or dropped.
    pub fn seen(&self) -> Vec<(Parts, Stream)> {
        lock(&self.seen).clone()
    }

    /// Returns the only request so far.
    pub fn one(&self) -> (Parts, Stream) {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }
}

impl<B> Service<Request<B>> for Primary
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let stream = match this.reads {
                Reads::All => read(body, |_, _| false).await,
                Reads::Frames(most) => read(body, |_, frames| frames >= most).await,
                Reads::Bytes(most) => read(body, |bytes, _| bytes >= most).await,
            };
            lock(&this.seen).push((head, stream));
            match this.then {
                Then::Fails => Err(Broken.into()),
                Then::Hangs => pending().await,
                Then::AnswersAfter(pause) => {
                    tokio::time::sleep(pause).await;
                    Ok(Response::new(Full::from("primary")))
                }
                Then::Answers(status) => Ok(Response::builder()
                    .status(status)
                    .body(Full::from("primary"))?),
            }
        })
    }
}
