//! M1, M4: a panic of a policy, an observer or a shadow costs at most one copy, and is counted.

use std::{
    convert::Infallible,
    future::Future,
    future::pending,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_mirror::{
    BodyMode, Draw, Key, MirrorBuilder, MirrorLayer, Outcome, Report, RequestHead, SampleRate,
    ShadowBody, TeeBody, observe::Observer,
};
use tower_mirror_testing::*;

fn recording() -> MirrorBuilder {
    MirrorLayer::builder(TestShadow::recording())
}

#[derive(Debug)]
struct PanicsWhenCloned(Arc<AtomicBool>);

impl Clone for PanicsWhenCloned {
    fn clone(&self) -> Self {
        assert!(!self.0.load(Relaxed), "a deliberate panic");
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_policy_costs_the_copy_and_nothing_else() {
    type Settings = Box<dyn Fn(MirrorBuilder, Arc<AtomicBool>) -> MirrorBuilder>;
    let half = SampleRate::percent(50.0).unwrap();
    let check = |is_bad: &AtomicBool| assert!(!is_bad.load(Relaxed), "a deliberate panic");
    let policies: [Settings; 4] = [
        Box::new(move |mirror, bad| {
            mirror.filter(move |_| {
                check(&bad);
                true
            })
        }),
        Box::new(move |mirror, bad| {
            let key = Key::from_fn(move |_| {
                check(&bad);
                Some("one that is taken 4")
            });
            mirror.draw(Draw::key(key)).sample_rate(half)
        }),
        Box::new(move |mirror, bad| {
            mirror.route_label(move |_| {
                check(&bad);
                None::<&str>
            })
        }),
        Box::new(|mirror, _| mirror.copy_extension::<PanicsWhenCloned>()),
    ];
    for settings in policies {
        let is_bad = Arc::new(AtomicBool::new(true));
        let observer = RecordingObserver::default();
        let mirror = settings(recording().max_in_flight(1), Arc::clone(&is_bad))
            .observe_with(observer.clone())
            .build();
        let primary = Primary::reading();
        for turn in 1..=2 {
            let mut request = post(Script::chunks([5]));
            request
                .extensions_mut()
                .insert(PanicsWhenCloned(Arc::clone(&is_bad)));
            let answer = serve(&mirror, &primary, request).await;
            assert_eq!(answer.unwrap().status(), 200);
            let stats = settled(&mirror.handle(), turn).await;
            assert_eq!(stats.outcome(Outcome::PolicyPanicked), turn);
        }
        // The only slot was released.
        is_bad.store(false, Relaxed);
        assert_eq!((primary.seen().len(), observer.skips().len()), (2, 2));
        serve(&mirror, &primary, get()).await.unwrap();
        let stats = settled(&mirror.handle(), 3).await;
        let served = stats.outcome(Outcome::Completed) + stats.outcome(Outcome::NotSampled);
        assert_eq!(served, 1);
    }
}

#[derive(Debug)]
struct PanickingObserver;

impl Observer for PanickingObserver {
    fn on_report(&self, _report: &Report) {
        panic!("a deliberate panic");
    }

    fn on_skip(&self, _outcome: Outcome, _head: &RequestHead<'_>) {
        panic!("a deliberate panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_is_counted_and_the_others_are_called() {
    let observer = RecordingObserver::default();
    let mirror = recording()
        .observe_with(PanickingObserver)
        .observe_with(observer.clone())
        .build();
    let primary = Primary::reading();
    assert!(serve(&mirror, &primary, get()).await.is_ok());
    assert_eq!(settled(&mirror.handle(), 1).await.observer_panics(), 1);
    mirror.handle().pause();
    assert!(serve(&mirror, &primary, get()).await.is_ok());
    let stats = settled(&mirror.handle(), 2).await;
    assert_eq!(stats.observer_panics(), 2);
    assert!(stats.to_string().contains("2  observer panics"));
    assert_eq!((observer.reports().len(), observer.skips().len()), (1, 1));
}

/// A future that panics when it is dropped, at the deadline.
#[derive(Debug)]
struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = Result<Response<http_body_util::Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("a deliberate panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_panics_when_it_is_dropped_gives_all_back() {
    let mirror = MirrorLayer::new(service_fn(|_| PanicsWhenDropped));
    serve(&mirror, &Primary::reading(), post(Script::chunks([5])))
        .await
        .unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Panicked);
}

/// The frames of a body that is too large are dropped on the primary's path.
#[tokio::test(start_paused = true)]
async fn frames_that_panic_when_a_copy_is_given_up_cost_the_copy_alone() {
    let mirror = recording().max_body_bytes(300_000).build();
    // The primary keeps no frame, so the copy has the last references. There are two frames, which
    // panic one after the other.
    let primary = service_fn(async |request: Request<TeeBody<Script>>| {
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            assert!(frame.is_ok());
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let panics = || Step::Data(Bytes::from_owner(DataThatPanics(vec![0; 130 << 10])));
    let script = Script::new([panics(), panics(), Step::Data(pattern(50_000))]);
    mirror.layer(primary).oneshot(post(script)).await.unwrap();
    let stats = settled(&mirror.handle(), 1).await;
    assert_only(&stats, Outcome::TooLarge);
    assert_eq!(stats.buffered_bytes(), 0);
}

/// The primary wakes the reader of a live copy with each frame.
#[tokio::test(start_paused = true)]
async fn a_panicking_waker_of_the_shadow_does_not_reach_the_primary() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a deliberate panic");
        }
    }
    let shadow = service_fn(async |request: Request<ShadowBody>| {
        let mut body = request.into_body();
        let waker = Waker::from(Arc::new(Panics));
        let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        pending::<()>().await;
        drop(body);
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mirror = MirrorLayer::builder(shadow)
        .body_mode(BodyMode::Streaming)
        .build();
    let (feed, body) = Feed::new();
    let primary = Primary::reading();
    let request = Request::post("/").body(body).unwrap();
    let answer = tokio::spawn(mirror.layer(primary.clone()).oneshot(request));
    for _ in 0..10 {
        tokio::task::yield_now().await; // now the shadow reads
    }
    feed.send(pattern(7)).unwrap();
    drop(feed);
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert_eq!(primary.one().1.bytes(), pattern(7));
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::TimedOut);
}

/// A body that panics at its second frame. It would end at its third.
struct BreaksOff(u32);

impl Body for BreaksOff {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        match self.0 {
            1 => Poll::Ready(Some(Ok(Frame::data(pattern(5))))),
            2 => panic!("a deliberate panic"),
            _ => Poll::Ready(None),
        }
    }
}

/// The primary has not read the whole body, so no copy looks complete, and the body is not polled
/// again.
#[tokio::test(start_paused = true)]
async fn a_body_that_panicked_has_no_copy() {
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.clone());
    let primary = service_fn(async |request: Request<TeeBody<BreaksOff>>| {
        let read = async { request.into_body().collect().await.map(|_| ()) };
        // A service that catches the panic, as tower-http's `CatchPanic` does, still answers.
        let read = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(read)).await;
        assert!(read.is_err());
        Ok::<_, Infallible>(Response::new(()))
    });
    let request = Request::post("/").body(BreaksOff(0)).unwrap();
    mirror.layer(primary).oneshot(request).await.unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::BodyError);
    assert!(shadow.copies().is_empty());
}

/// A body that panics when its `size_hint` or its `is_end_stream` is called. A primary that does
/// not call these never notices it.
struct Unsound {
    panics_at_length: bool,
}

impl http_body::Body for Unsound {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        assert!(!self.panics_at_length, "a deliberate panic");
        http_body::SizeHint::new()
    }

    fn is_end_stream(&self) -> bool {
        panic!("a deliberate panic")
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_when_it_is_asked_costs_the_copy_and_nothing_else() {
    for (panics_at_length, rate, outcome) in [
        (true, SampleRate::ALL, Outcome::PolicyPanicked),
        (true, SampleRate::NONE, Outcome::NotSampled),
        (false, SampleRate::ALL, Outcome::PolicyPanicked),
        (false, SampleRate::NONE, Outcome::NotSampled),
    ] {
        let mirror = recording().sample_rate(rate).build();
        let primary = service_fn(async |_: Request<TeeBody<Unsound>>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let request = Request::post("/")
            .body(Unsound { panics_at_length })
            .unwrap();
        mirror.layer(primary).oneshot(request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, outcome);
    }
}
