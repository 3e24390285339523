//! Subsets that keep the laws of a service to the letter, and what a split makes of requests.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Sleep;
use tower::Service;
use tower_mirror::{BoxError, Draw, ServedBy, WeightedSplit, split::WeightedSplitBuilder};

use super::Broken;

/// A subset that answers its name at once, and wants to be told that it serves.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub &'static str);

impl<B> Service<Request<B>> for Named {
    type Response = Response<&'static str>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let served = request.extensions().get::<ServedBy>();
        assert_eq!(served.map(|served| &*served.subset), Some(self.0));
        ready(Ok(Response::new(self.0)))
    }
}

/// A split of such subsets that is not built yet.
pub fn builder(
    name: &str,
    weights: &[(&'static str, u32)],
    draw: Draw,
) -> WeightedSplitBuilder<Named> {
    let begun = WeightedSplit::builder(name).draw(draw);
    weights.iter().fold(begun, |builder, &(name, weight)| {
        builder.subset(name, weight, Named(name))
    })
}

pub fn split(weights: &[(&'static str, u32)], draw: Draw) -> WeightedSplit<Named> {
    builder("catalog", weights, draw)
        .build()
        .expect("a valid split")
}

/// Sends a request that is answered without waiting.
#[track_caller]
pub fn answer<S, B, R>(split: &mut S, request: Request<B>) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>, Error: std::fmt::Debug>,
{
    let answered = split.call(request).now_or_never();
    answered.expect("an answer at once").expect("no error")
}

/// Which subset serves the next request; empty where none does.
#[track_caller]
pub fn next<S>(split: &mut S) -> &'static str
where
    S: Service<Request<String>, Response = Response<&'static str>, Error: std::fmt::Debug>,
{
    answer(split, Request::new(String::new())).into_body()
}

/// How many of the next `requests` each subset serves.
#[track_caller]
pub fn counts<S>(split: &mut S, requests: usize) -> BTreeMap<&'static str, usize>
where
    S: Service<Request<String>, Response = Response<&'static str>, Error: std::fmt::Debug>,
{
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(next(split)).or_default() += 1;
    }
    counts
}

#[track_caller]
pub fn served<R>(answer: &Response<R>) -> &ServedBy {
    answer.extensions().get().expect("to be told who served")
}

/// When a [`Strict`] becomes ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Readiness {
    AtOnce,
    After(Duration),
    Never,
    Fails,
}

/// A subset whose readiness belongs to one instance and one call: it panics when it is called
/// unready, and its clones begin unready.
#[derive(Debug)]
pub struct Strict {
    pub name: &'static str,
    readiness: Readiness,
    is_ready: bool,
    waits: Option<Pin<Box<Sleep>>>,
    polls: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Strict {
    pub fn new(name: &'static str, readiness: Readiness) -> Self {
        Self {
            name,
            readiness,
            is_ready: false,
            waits: None,
            polls: Arc::default(),
            calls: Arc::default(),
        }
    }

    /// How often its clones were asked whether they are ready, and called.
    pub fn asked(&self) -> (usize, usize) {
        (self.polls.load(SeqCst), self.calls.load(SeqCst))
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            polls: Arc::clone(&self.polls),
            calls: Arc::clone(&self.calls),
            ..Self::new(self.name, self.readiness)
        }
    }
}

impl<B: Body> Service<Request<B>> for Strict {
    type Response = Response<&'static str>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.polls.fetch_add(1, SeqCst);
        match self.readiness {
            Readiness::AtOnce => {}
            Readiness::Never => return Poll::Pending,
            Readiness::Fails => return Poll::Ready(Err(Broken.into())),
            Readiness::After(wait) => {
                let begin = || Box::pin(tokio::time::sleep(wait));
                let waits = self.waits.get_or_insert_with(begin);
                std::task::ready!(waits.as_mut().poll(cx));
            }
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called unready");
        self.calls.fetch_add(1, SeqCst);
        let served = request.extensions().get::<ServedBy>();
        assert_eq!(served.map(|served| &*served.subset), Some(self.name));
        ready(Ok(Response::new(self.name)))
    }
}
