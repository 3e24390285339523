//! Subsets that check the contract of `Service`, and functions that send requests to a split.

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

/// A subset that immediately answers with its name. It asserts that the request has a `ServedBy`
/// with this name.
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

/// Creates the builder of a split with such subsets.
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

/// Sends a request, which must be answered without waiting.
#[track_caller]
pub fn answer<S, B, R>(split: &mut S, request: Request<B>) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>, Error: std::fmt::Debug>,
{
    let answered = split.call(request).now_or_never();
    answered.expect("an immediate response").expect("no error")
}

/// Returns the name of the subset that serves the next request. It is empty if no subset serves the
/// request.
#[track_caller]
pub fn next<S>(split: &mut S) -> &'static str
where
    S: Service<Request<String>, Response = Response<&'static str>, Error: std::fmt::Debug>,
{
    answer(split, Request::new(String::new())).into_body()
}

/// Returns how many of the next `requests` requests each subset serves.
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
    answer
        .extensions()
        .get()
        .expect("the response has a `ServedBy`")
}

/// The time at which a [`Strict`] becomes ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Readiness {
    AtOnce,
    After(Duration),
    Never,
    Fails,
}

/// A subset whose readiness is valid for one instance and one call. It panics if it is called while
/// it is not ready, and its clones are not ready at first.
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

    /// Returns how often the clones were polled for readiness, and how often they were called.
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
