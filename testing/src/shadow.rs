//! `TestShadow`: records the copies that it receives, and can be configured to misbehave.

use std::{
    future::{Future, pending},
    io::{self, ErrorKind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::{Body, Frame};
use tower::Service;
use tower_mirror::{BoxError, ShadowBody};

use super::{Stream, lock, pattern, read};

#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Reads the whole copy and answers.
    Answers(u16),
    /// Reads the whole copy and answers after this time.
    AnswersAfter(Duration),
    /// Drops the copy and answers immediately, with this many bytes in frames of 1 KiB.
    AnswersAtLength(usize),
    /// Answers with frames of this length, which are always ready and never end.
    Endless(usize),
    Hangs(Place),
    Panics(Place),
    Fails(Place, Fault),
    /// Keeps the body for the test, and hangs.
    KeepsBody,
}

/// The place where the shadow hangs, panics or fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Clone,
    Ready,
    Call,
    Future,
    /// The body of the response, after its first frame.
    Body,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Io(ErrorKind),
    /// An error that has an io error as its source.
    Wrapped(ErrorKind),
    Own,
}

impl Fault {
    fn error(self) -> BoxError {
        match self {
            Self::Io(kind) => io::Error::from(kind).into(),
            Self::Wrapped(kind) => Box::new(Wrapped(io::Error::from(kind))),
            Self::Own => "overloaded".into(),
        }
    }
}

#[derive(Debug)]
struct Wrapped(io::Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("client error")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// A copy that a shadow has received.
#[derive(Clone, Debug)]
pub struct Copy {
    pub head: Parts,
    /// The size hint of the body before the body was read.
    pub exact: Option<u64>,
    pub says_ended: bool,
    pub stream: Stream,
}

#[derive(Debug)]
pub struct TestShadow {
    act: Act,
    copies: Arc<Mutex<Vec<Copy>>>,
    kept: Arc<Mutex<Vec<ShadowBody>>>,
}

impl TestShadow {
    pub fn new(act: Act) -> Self {
        Self {
            act,
            copies: Arc::default(),
            kept: Arc::default(),
        }
    }

    /// Creates a shadow that reads the whole copy and answers with 200.
    pub fn recording() -> Self {
        Self::new(Act::Answers(200))
    }

    /// Returns the copies so far, in the order in which they were read.
    pub fn copies(&self) -> Vec<Copy> {
        lock(&self.copies).clone()
    }

    /// Returns the only copy so far.
    pub fn one(&self) -> Copy {
        let mut copies = self.copies();
        assert_eq!(copies.len(), 1);
        copies.remove(0)
    }

    /// Returns the bodies that [`Act::KeepsBody`] has kept.
    pub fn take_kept(&self) -> Vec<ShadowBody> {
        std::mem::take(&mut lock(&self.kept))
    }

    /// Returns a shadow with the same records. This is not `Clone`, because `Clone` may be
    /// configured to panic.
    pub fn share(&self) -> Self {
        Self {
            act: self.act,
            copies: Arc::clone(&self.copies),
            kept: Arc::clone(&self.kept),
        }
    }

    fn panics_in(&self, place: Place) {
        if matches!(self.act, Act::Panics(at) if at == place) {
            panic!("a deliberate panic in the shadow: {place:?}");
        }
    }
}

impl Clone for TestShadow {
    fn clone(&self) -> Self {
        self.panics_in(Place::Clone);
        self.share()
    }
}

impl Service<Request<ShadowBody>> for TestShadow {
    type Response = Response<Reply>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.panics_in(Place::Ready);
        match self.act {
            Act::Hangs(Place::Ready) => Poll::Pending,
            Act::Fails(Place::Ready, fault) => Poll::Ready(Err(fault.error())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<ShadowBody>) -> Self::Future {
        self.panics_in(Place::Call);
        let this = self.share();
        Box::pin(async move {
            this.panics_in(Place::Future);
            let (status, reply) = match this.act {
                Act::Answers(status) => (status, Reply::ended()),
                Act::AnswersAfter(pause) => {
                    tokio::time::sleep(pause).await;
                    (200, Reply::ended())
                }
                Act::AnswersAtLength(bytes) => return Ok(Response::new(Reply::of(bytes))),
                Act::Endless(frame) => return Ok(Response::new(Reply::endless(frame))),
                Act::Hangs(Place::Body) | Act::Panics(_) | Act::Fails(Place::Body, _) => {
                    (203, Reply::odd(this.act))
                }
                Act::Fails(_, fault) => return Err(fault.error()),
                Act::Hangs(_) => return pending().await,
                Act::KeepsBody => {
                    lock(&this.kept).push(request.into_body());
                    return pending().await;
                }
            };
            let (head, body) = request.into_parts();
            let (exact, says_ended) = (body.size_hint().exact(), body.is_end_stream());
            let stream = read(body, |_, _| false).await;
            lock(&this.copies).push(Copy {
                head,
                exact,
                says_ended,
                stream,
            });
            Ok(Response::builder().status(status).body(reply)?)
        })
    }
}

/// The body of the response.
#[derive(Debug)]
pub struct Reply {
    left: usize,
    frame: usize,
    then: Option<Act>,
}

impl Reply {
    fn ended() -> Self {
        Self::of(0)
    }

    fn of(left: usize) -> Self {
        let (frame, then) = (1024, None);
        Self { left, frame, then }
    }

    fn endless(frame: usize) -> Self {
        let (left, then) = (usize::MAX, None);
        Self { left, frame, then }
    }

    fn odd(act: Act) -> Self {
        let (left, frame, then) = (10, 10, Some(act));
        Self { left, frame, then }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left > 0 {
            let length = self.frame.min(self.left);
            self.left -= length;
            return Poll::Ready(Some(Ok(Frame::data(pattern(length)))));
        }
        match self.then {
            Some(Act::Hangs(_)) => Poll::Pending,
            Some(Act::Panics(place)) => panic!("a deliberate panic in the shadow: {place:?}"),
            Some(Act::Fails(_, fault)) => Poll::Ready(Some(Err(fault.error()))),
            _ => Poll::Ready(None),
        }
    }
}
