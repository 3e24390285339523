//! M1: the shadow's behaviour does not affect the primary.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body as AxumBody,
    routing::{get as on_get, post as on_post},
};
use bytes::Bytes;
use http::{Request, Response, Version, header::CONTENT_LENGTH};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};
use tower::{Layer, Service, ServiceExt};
use tower_mirror::{Mirror, MirrorLayer, Outcome, TeeBody};
use tower_mirror_testing::*;
use tower_test::mock;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_primary_answers_the_same_in_no_time_whatever_the_shadow_does() {
    let io = Fault::Io(std::io::ErrorKind::ConnectionRefused);
    let acts = [
        Act::Answers(500),
        Act::AnswersAfter(SECOND),
        Act::AnswersAtLength(100 << 20),
        Act::Endless(1),
        Act::Hangs(Place::Ready),
        Act::Hangs(Place::Call),
        Act::Hangs(Place::Body),
        Act::Panics(Place::Clone),
        Act::Panics(Place::Ready),
        Act::Panics(Place::Call),
        Act::Panics(Place::Future),
        Act::Panics(Place::Body),
        Act::Fails(Place::Ready, io),
        Act::Fails(Place::Call, io),
        Act::KeepsBody,
    ];
    let body = || {
        Script::chunks([5, 9000])
            .then(Step::Pending)
            .then(Step::Data(pattern(7)))
    };
    for act in acts {
        for then in [Then::Answers(201), Then::Fails] {
            let (with, without) = (
                Primary::new(Reads::All, then),
                Primary::new(Reads::All, then),
            );
            let mirror = MirrorLayer::new(TestShadow::new(act));
            let begun = Instant::now();
            let expected = without.clone().oneshot(post(body())).await;
            let service = mirror.layer(with.clone());
            for turn in 0..3 {
                let answer = service.clone().oneshot(post(body())).await;
                assert_eq!(format!("{answer:?}"), format!("{expected:?}"));
                assert_eq!(with.seen()[turn].1, without.one().1);
            }
            assert_eq!(begun.elapsed(), Duration::ZERO, "{act:?}");
            assert_adds_up(&mirror.handle().stats(), 3);
        }
    }
}

/// A service that counts its calls. Its readiness is valid for one instance and one call.
#[derive(Debug, Default)]
struct Strict {
    is_ready: bool,
    polls: Arc<AtomicUsize>,
    clones: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, SeqCst);
        Self {
            is_ready: false,
            polls: Arc::clone(&self.polls),
            clones: Arc::clone(&self.clones),
        }
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.polls.fetch_add(1, SeqCst);
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "the service was called while it was not ready"
        );
        std::future::ready(Ok(Response::new(())))
    }
}

async fn ready(service: &mut Mirror<Strict>) -> &mut Mirror<Strict> {
    let Ok(service) = ServiceExt::<Request<Script>>::ready(service).await;
    service
}

#[tokio::test(start_paused = true)]
async fn the_readied_instance_is_called_and_asked_no_more_than_without() {
    let strict = Strict::default();
    let mut service = MirrorLayer::new(TestShadow::recording()).layer(strict.clone());
    for turn in 1..=5 {
        ready(&mut service).await.call(get()).await.unwrap();
        assert_eq!(strict.polls.load(SeqCst), turn);
    }
    assert_eq!(
        strict.clones.load(SeqCst),
        1,
        "only this test has cloned the service"
    );
    assert!(!service.get_ref().is_ready && !service.get_mut().is_ready);

    // A clone is not ready at first, and the original stays ready.
    ready(&mut service).await;
    let mut clone = service.clone();
    assert!(service.get_ref().is_ready && !clone.get_ref().is_ready);
    service.call(get()).await.unwrap();
    ready(&mut clone).await.call(get()).await.unwrap();
    assert!(!clone.into_inner().is_ready);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_primary_alone() {
    for act in [Act::Hangs(Place::Ready), Act::Answers(200)] {
        let mirror = MirrorLayer::builder(TestShadow::new(act))
            .max_in_flight(1)
            .build();
        let (mut service, mut primary) = mock::spawn_with(
            |primary: mock::Mock<Request<TeeBody<Script>>, Response<()>>| mirror.layer(primary),
        );
        primary.allow(0);
        assert_pending!(service.poll_ready());
        primary.allow(2);
        for status in [200, 503] {
            assert_ready_ok!(service.poll_ready());
            let mut answer = tokio_test::task::spawn(service.call(get()));
            assert_pending!(answer.poll());
            let (_, reply) = primary.next_request().await.expect("a request");
            let mut expected = Response::new(());
            *expected.status_mut() = status.try_into().expect("a status");
            reply.send_response(expected);
            assert!(answer.is_woken());
            assert_eq!(assert_ready_ok!(answer.poll()).status(), status);
        }
        assert_pending!(service.poll_ready());
        primary.send_error("out of order");
        assert!(service.is_woken());
        let error = assert_ready_err!(service.poll_ready());
        assert_eq!(error.to_string(), "out of order");
    }
}

#[tokio::test(start_paused = true)]
async fn one_cap_holds_over_all_routes_and_clones_of_an_axum_application() {
    let mirror = MirrorLayer::builder(TestShadow::new(Act::Hangs(Place::Call)))
        .max_in_flight(4)
        .build();
    let inner = Router::new().route("/nested", on_get(async || "nested"));
    let app: Router = Router::new()
        .route("/a", on_get(async || "a"))
        .route("/echo", on_post(async |body: String| body))
        .nest("/in", inner.layer(mirror.clone()))
        .route("/b", on_get(async || "b").layer(mirror.clone()))
        .route_layer(mirror.clone());
    let send = async |path: &str| {
        let request = match path {
            "/echo" => Request::post(path).body(AxumBody::from("hello")),
            _ => Request::get(path).body(AxumBody::empty()),
        };
        let answer = app.clone().oneshot(request.unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap();
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    };
    for _ in 0..5 {
        assert_eq!(send("/a").await, "a");
        assert_eq!(send("/echo").await, "hello");
        // These paths are under two layers, which both have an effect.
        assert_eq!(send("/b").await, "b");
        assert_eq!(send("/in/nested").await, "nested");
        assert!(mirror.handle().stats().in_flight() <= 4);
    }
    let stats = settled(&mirror.handle(), 30).await;
    assert_eq!(stats.outcome(Outcome::InFlightLimit), 26);
    assert_eq!(stats.outcome(Outcome::TimedOut), 4);
    assert_eq!(send("/a").await, "a");
    assert_eq!(
        mirror.handle().stats().in_flight(),
        1,
        "there is capacity again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_axum_application_has_an_exact_copy() {
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.share());
    let app: Router = Router::new().route("/items/{id}", on_post(async |body: String| body));
    let mut app = mirror.layer(app);
    let request = Request::post("/items/7?full=1")
        .header("host", "catalog:80")
        .body(AxumBody::from("hello"))
        .unwrap();
    let answer: Response<AxumBody> = app.call(request).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
    let copy = shadow.one();
    assert_eq!(copy.head.headers["host"], "catalog-shadow:80");
    assert_eq!(copy.head.uri, "/items/7?full=1");
    assert_eq!(copy.stream.bytes(), "hello");
}

/// A response that is always ready and never ends must not block the thread, and must not delay its
/// own deadline.
#[tokio::test(start_paused = true)]
async fn an_endless_answer_ends_at_its_deadline() {
    for frame in [0, 1] {
        let mirror = MirrorLayer::builder(TestShadow::new(Act::Endless(frame)))
            .max_response_bytes(u64::MAX)
            .build();
        serve(&mirror, &Primary::reading(), get()).await.unwrap();
        for _ in 0..4 {
            tokio::time::advance(SECOND).await;
        }
        assert_eq!(mirror.handle().stats().in_flight(), 1);
        for _ in 0..4 {
            tokio::time::advance(SECOND).await;
        }
        assert_only(&mirror.handle().stats(), Outcome::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_ends_with_the_drain() {
    let mirror = MirrorLayer::new(TestShadow::new(Act::Endless(0)));
    serve(&mirror, &Primary::reading(), get()).await.unwrap();
    let handle = mirror.handle();
    let drain = tokio::spawn(async move { handle.drain(Duration::ZERO).await });
    for _ in 0..20 {
        tokio::time::advance(SECOND / 1000).await;
    }
    assert!(drain.is_finished());
    assert_only(&mirror.handle().stats(), Outcome::Aborted);
}

/// A body that continues with empty frames after its data, and is always ready. It ends after a
/// number of frames that no reader of the rest may reach.
struct Flood {
    data: Option<Bytes>,
    polls: Arc<AtomicUsize>,
}

impl Body for Flood {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.polls.fetch_add(1, SeqCst) > 100_000 {
            return Poll::Pending;
        }
        let data = self.data.take().unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

/// Without the limit, an attacker's empty frames would block the destructor of the primary's body,
/// or the copy's task.
#[tokio::test(start_paused = true)]
async fn empty_frames_without_end_are_not_read_on_without_end() {
    let cases = [
        // All declared bytes have been read.
        ("hello", Some("5"), Reads::Bytes(5), Outcome::Completed),
        // The body was not polled. Over HTTP/2, the mirror then examines its rest.
        ("", None, Reads::Frames(0), Outcome::Unread),
        // A part of the body was not read.
        ("hello", None, Reads::Frames(1), Outcome::Unread),
    ];
    for (data, length, reads, outcome) in cases {
        let mirror = MirrorLayer::new(TestShadow::recording());
        let polls = Arc::new(AtomicUsize::new(0));
        let body = Flood {
            data: Some(Bytes::from(data)).filter(|data| !data.is_empty()),
            polls: Arc::clone(&polls),
        };
        let request = Request::post("/").version(Version::HTTP_2);
        let request = match length {
            Some(length) => request.header(CONTENT_LENGTH, length),
            None => request,
        };
        let primary = Primary::new(reads, Then::Answers(200));
        let request = request.body(body).unwrap();
        serve(&mirror, &primary, request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, outcome);
        let polls = polls.load(SeqCst);
        assert!((2..5000).contains(&polls), "{data:?}: {polls} polls");
    }
}
