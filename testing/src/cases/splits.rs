//! Requests for which one of two subsets is selected.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http::Request;
use tower::Service;
use tower_mirror::{Draw, Key, WeightedSplit, split::WeightedSplitBuilder};

use super::{Case, services::Null, unsampled::called};

/// The least cost of a selection: an `Arc` that is cloned for the future, an atomic add, the call.
pub fn by_hand() -> Case {
    called(Turns(Arc::new(AtomicUsize::new(0))))
}

pub fn even() -> Case {
    called(split(2, Draw::even()))
}

pub fn keyed() -> Case {
    called(split(2, Draw::key(Key::header("x-user"))))
}

pub fn without_served_by() -> Case {
    let split = declared(2, Draw::even()).without_served_by();
    called(split.build().expect("a valid split"))
}

pub fn split(subsets: u32, draw: Draw) -> WeightedSplit<Null> {
    declared(subsets, draw).build().expect("a valid split")
}

fn declared(subsets: u32, draw: Draw) -> WeightedSplitBuilder<Null> {
    let builder = WeightedSplit::builder("bench").draw(draw);
    (0..subsets).fold(builder, |builder, subset| {
        builder.subset(format!("v{subset}"), 1 + subset, Null)
    })
}

struct Turns(Arc<AtomicUsize>);

impl<B> Service<Request<B>> for Turns {
    type Response = <Null as Service<Request<B>>>::Response;
    type Error = <Null as Service<Request<B>>>::Error;
    type Future = Held<<Null as Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let held = Arc::clone(&self.0);
        let turn = held.fetch_add(1, Relaxed);
        let mut subsets = [Null, Null];
        Held {
            answer: subsets[turn % 2].call(request),
            _held: held,
        }
    }
}

pin_project_lite::pin_project! {
    struct Held<F> {
        #[pin]
        answer: F,
        _held: Arc<AtomicUsize>,
    }
}

impl<F: Future> Future for Held<F> {
    type Output = F::Output;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().answer.poll(cx)
    }
}
