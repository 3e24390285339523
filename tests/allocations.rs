//! What a request costs that is not copied: no allocation at all (M5).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service};
use tower_mirror::{
    BodyMode, Draw, Key, MirrorBuilder, MirrorLayer, Outcome, RequestHead, SampleRate,
};

#[derive(Clone)]
struct Null;

impl<B> Service<Request<B>> for Null {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(Full::default())))
    }
}

fn request() -> Request<Full<Bytes>> {
    let request = Request::post("/items?q=1").header("x-user", "ada");
    request.body(Full::from("hello")).unwrap()
}

/// Allocations of one call and its answer, for a mirror whose shadow is `Null`.
fn allocations(configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> (u64, MirrorLayer) {
    let layer = configure(MirrorLayer::builder(Null)).build();
    let mut service = layer.layer(Null);
    let call = |service: &mut tower_mirror::Mirror<Null>, request| {
        let mut answer = pin!(service.call(request));
        let polled = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
    };
    call(&mut service, request()); // thread locals
    let request = request();
    let counted = measure(|| call(&mut service, request));
    (counted.count_total, layer)
}

#[test]
fn a_request_that_is_not_copied_allocates_nothing() {
    let one_in_a_million = SampleRate::per_million(1).unwrap();
    let never = Draw::sequence([u64::MAX]);
    type Configure = fn(MirrorBuilder) -> MirrorBuilder;
    let rows: [(&str, Configure, Outcome); 4] = [
        (
            "0 %",
            |mirror| mirror.sample(SampleRate::NONE),
            Outcome::NotSampled,
        ),
        (
            "filtered",
            |mirror| mirror.filter(|head: &RequestHead<'_>| head.method == http::Method::GET),
            Outcome::Filtered,
        ),
        (
            "keyed",
            |mirror| {
                let key = Key::cookie("uid")
                    .or(Key::header("x-user"))
                    .or(Key::trace_id());
                mirror
                    .sample(SampleRate::per_million(1).unwrap())
                    .draw(Draw::key(key))
            },
            Outcome::NotSampled,
        ),
        ("outside a runtime", |mirror| mirror, Outcome::NoRuntime),
    ];
    for (name, configure, outcome) in rows {
        let (count, layer) = allocations(configure);
        assert_eq!(layer.handle().stats().outcome(outcome), 2, "{name}");
        assert_eq!(count, 0, "{name}");
    }
    let (count, layer) = allocations(|mirror| mirror.sample(one_in_a_million).draw(never));
    assert_eq!(layer.handle().stats().outcome(Outcome::NotSampled), 2);
    assert_eq!(count, 0, "drawn");
}

#[test]
fn nor_does_it_where_everything_is_traced() {
    let subscriber = tracing_subscriber::registry();
    tracing::subscriber::with_default(subscriber, || {
        assert!(tracing::enabled!(target: "tower_mirror", tracing::Level::TRACE));
        let (count, layer) = allocations(|mirror| mirror.sample(SampleRate::NONE));
        assert_eq!(layer.handle().stats().outcome(Outcome::NotSampled), 2);
        assert_eq!(count, 0);
    });
}

/// The cheapest correct copy by hand: the head cloned, one task with one timer.
fn floor(request: &Request<Full<Bytes>>) {
    let mut copy = Request::new(());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(copy);
    });
}

#[tokio::test]
async fn a_copy_without_a_body_allocates_two_more_than_one_by_hand() {
    let (count, layer) = allocations(|mirror| mirror.body(BodyMode::Omit));
    layer.handle().idle().await;
    assert_eq!(layer.handle().stats().outcome(Outcome::Completed), 2);

    floor(&request());
    let request = request();
    let by_hand = measure(|| floor(&request)).count_total;
    assert!(by_hand > 0);
    assert!(count <= by_hand + 2, "{count}, by hand {by_hand}");
}
