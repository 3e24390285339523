//! Checks that the `Debug` output of no public type contains a header's value or a body's bytes.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, request};
use http_body::{Body, Frame};
use http_body_util::{Full, StreamBody};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_mirror::{
    BoxError, BufferedBody, Force, HostRewrite, HttpTarget, Key, MirrorLayer, ReadOnlyLayer,
    RequestBodyBufferLayer, RequestHead, ShadowBody, TeeBody, WeightedSplit, WeightedSplitLayer,
    buffer, client, rewrite::set_header,
};

use tower_mirror_testing::{RecordingObserver, lock};

/// The secret, which is in headers, queries, trailers and bodies.
const SECRET: &str = "hunter2";

#[track_caller]
fn hides(shown: &dyn Debug) {
    for shown in [format!("{shown:?}"), format!("{shown:#?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
        // This is the secret as a list of numbers.
        assert!(!shown.contains("104, 117, 110"), "{shown}");
    }
}

fn request<B>(body: B) -> Request<B> {
    let request = Request::post("http://catalog/login?token=hunter2");
    let request = request
        .header("authorization", SECRET)
        .header("cookie", "a=hunter2");
    request.body(body).unwrap()
}

fn full() -> Request<Full<Bytes>> {
    request(Full::from(SECRET))
}

/// A body that returns some bytes immediately, and never the rest.
type Half = StreamBody<futures_util::stream::Pending<Result<Frame<Bytes>, Infallible>>>;

fn assert_pending<F: Future>(future: Pin<&mut F>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.poll(&mut cx).is_pending());
}

/// A service that keeps its request, and never answers.
#[derive(Debug)]
struct Keeps<B>(Arc<Mutex<Vec<Request<B>>>>);

impl<B> Clone for Keeps<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Default for Keeps<B> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<B> Service<Request<B>> for Keeps<B> {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        lock(&self.0).push(request);
        std::future::pending()
    }
}

#[tokio::test(start_paused = true)]
async fn mirrors_and_what_they_hold() {
    let observer = RecordingObserver::default();
    let (shadow, primary) = (
        Keeps::<ShadowBody>::default(),
        Keeps::<TeeBody<Full<Bytes>>>::default(),
    );
    let mirror = MirrorLayer::builder(shadow.clone())
        .observe_with(observer.clone())
        .build();
    let mut service = mirror.layer(primary.clone());
    hides(&RequestHead::of(&full()));
    let answer = service.call(full());
    hides(&(&mirror, mirror.handle(), mirror.handle().stats(), &answer));

    // This is the primary's body, before, while and after it is copied.
    let mut tee = lock(&primary.0).remove(0).into_body();
    hides(&tee);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut tee).poll_frame(&mut cx).is_ready());
    hides(&tee);
    assert!(Pin::new(&mut tee).poll_frame(&mut cx).is_ready());
    while lock(&shadow.0).is_empty() {
        tokio::task::yield_now().await;
    }
    let copy = lock(&shadow.0).remove(0).into_body();
    assert_eq!(copy.size_hint().exact(), Some(7));
    hides(&copy);

    drop(answer);
    let _ = mirror.handle().drain(std::time::Duration::ZERO).await;
    hides(&observer.report());
    hides(&(service, copy));
}

#[tokio::test]
async fn buffers_and_what_they_hold() {
    let half = |data: &'static str| {
        use futures_util::{StreamExt, stream};
        let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(data)));
        StreamBody::new(stream::iter([frame]).chain(stream::pending()))
    };
    let layer = RequestBodyBufferLayer::new();
    let mut service = layer.layer(Keeps::<BufferedBody<_>>::default());
    let mut answer: Pin<Box<buffer::ResponseFuture<_, _, _>>> =
        Box::pin(service.call(request(half(SECRET))));
    assert_pending(answer.as_mut());
    hides(&answer);
    hides(&layer);

    let keeps = Keeps::<BufferedBody<Full<Bytes>>>::default();
    let mut answer = pin!(layer.layer(keeps.clone()).oneshot(full()));
    assert_pending(answer.as_mut());
    hides(&lock(&keeps.0)[0].body());
}

/// A service that is never ready, so that the split keeps the request.
#[derive(Clone, Debug)]
struct Busy;

impl<B> Service<Request<B>> for Busy {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn splits_and_what_they_hold() {
    let force = || Force::header("x-version").when(|_| true);
    let mut split = WeightedSplit::builder("a")
        .subset("v1", 1, Busy)
        .force(force())
        .build()
        .unwrap();
    let mut answer = Box::pin(split.call(full()));
    assert_pending(answer.as_mut());
    hides(&(
        &split,
        &answer,
        split.handle(),
        split.handle().stats(),
        force(),
        Key::cookie("uid"),
    ));

    let layer = WeightedSplitLayer::builder("b")
        .inner("v1", 1)
        .subset("v2", 0, Busy)
        .build()
        .unwrap();
    let mut answer = Box::pin(layer.layer(Busy).call(full()));
    assert_pending(answer.as_mut());
    hides(&(&layer, &answer));
}

#[tokio::test]
async fn targets_and_their_errors() {
    let (listener, address) = tower_mirror_testing::net::listen().await;
    let target = HttpTarget::new(&format!("http://{address}")).unwrap();
    hides(&(&target, client::ResponseBody::from(SECRET.to_owned())));
    let mut answer = Box::pin(target.clone().call(full()));
    assert_pending(answer.as_mut());
    hides(&answer);
    drop((listener, answer));

    // The errors of a refused connection, of a refused request, and of a response that is not HTTP
    // do not contain sent bytes.
    let refused = target.clone().oneshot(full()).await.unwrap_err();
    let connect = Request::connect("hunter2:80")
        .body(Full::<Bytes>::from(SECRET))
        .unwrap();
    let garbage = garbage().await;
    let broken = HttpTarget::new(&garbage)
        .unwrap()
        .oneshot(full())
        .await
        .unwrap_err();
    let unsent = HttpTarget::new(&garbage)
        .unwrap()
        .call(connect)
        .await
        .unwrap_err();
    for error in [refused, broken, unsent] {
        hides(&error);
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = source {
            assert!(!error.to_string().contains(SECRET), "{error}");
            source = error.source();
        }
    }
    hides(&HttpTarget::new("http://user:hunter2@catalog/").unwrap_err());
}

/// A server that answers with its own secret in place of a header.
async fn garbage() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (listener, address) = tower_mirror_testing::net::listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _: io::Result<()> = stream
                .write_all(b"HTTP/1.1 200 OK\r\nhunter2 \x00\r\n\r\n")
                .await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn rewrites_and_the_receiving_side() {
    let secret = set_header("x-shadow-key", HeaderValue::from_static(SECRET));
    let mirror = MirrorLayer::builder(Busy).rewrite(secret);
    hides(&mirror);
    hides(&(mirror.build(), HostRewrite::default()));

    let refusal = |_: &request::Parts| Response::new(Full::<Bytes>::from(SECRET));
    let layer = ReadOnlyLayer::new().refusal(refusal);
    let mut service = layer.layer(Busy);
    let mut copy = full();
    copy.headers_mut()
        .insert("x-mirrored-by", HeaderValue::from_static("v2"));
    hides(&(&layer, service.call(copy)));
    hides(&service);
    let served = service_fn(async |_: Request<Half>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    hides(&ReadOnlyLayer::new().layer(served));
}
