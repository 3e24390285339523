//! `RequestBodyBufferLayer`: the request that the service receives, the time of the call, and the
//! use with retries, hedges and mirrors.

use std::{
    convert::Infallible,
    future::{Future, Ready, pending, poll_fn, ready},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    hedge::{self, Hedge},
    retry::{self, RetryLayer},
    service_fn,
    util::MapRequestLayer,
};
use tower_mirror::{
    BufferedBody, MirrorLayer, Outcome, RequestBodyBufferLayer, TeeBody,
    buffer::{RequestBodyBuffer, try_clone_request},
};
use tower_mirror_testing::*;

const CAP: u64 = 10_000;

/// The request that the service received, before it read the body.
#[derive(Debug)]
struct Given {
    is_complete: bool,
    says_ended: bool,
    exact: Option<u64>,
    lower: u64,
    upper: Option<u64>,
    cloned: Option<Stream>,
    stream: Stream,
}

/// Returns the request that the service behind a buffer of `CAP` bytes receives.
async fn given(script: Script) -> Given {
    let given = Mutex::new(None);
    let service = service_fn(async |request: Request<BufferedBody<Script>>| {
        let body = request.into_body();
        let hint = body.size_hint();
        let clone = body.try_clone();
        let cloned = match clone {
            Some(clone) => Some(read(clone, |_, _| false).await),
            None => None,
        };
        *lock(&given) = Some(Given {
            is_complete: body.is_complete(),
            says_ended: body.is_end_stream(),
            exact: hint.exact(),
            lower: hint.lower(),
            upper: hint.upper(),
            cloned,
            stream: read(body, |_, _| false).await,
        });
        Ok::<_, Infallible>(())
    });
    let buffer = RequestBodyBufferLayer::new().max_bytes(CAP).layer(service);
    let Ok(()) = buffer.oneshot(post(script)).await;
    lock(&given).take().expect("the service was called")
}

fn all_knowledge(script: &Script) -> [Script; 4] {
    [
        script.clone(),
        script.clone().knowing_end(),
        script.clone().knowing_length(),
        script.clone().knowing_end().knowing_length(),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_body_is_whole_up_to_the_cap_and_streamed_beyond_it() {
    let cap = CAP as usize;
    let cases: [(&[usize], bool); 12] = [
        (&[], true),
        (&[0], true),
        (&[1], true),
        (&[5; 2000], true), // 10 000 bytes in tiny frames
        (&[cap], true),
        (&[cap, 0], true),
        (&[1, cap - 1], true),
        (&[8191, 1, 1808], true),
        (&[cap + 1], false),
        (&[cap, 1], false),
        (&[1, cap], false),
        (&[5000, 5000, 5000, 20_000, 1], false),
    ];
    for (chunks, is_complete) in cases {
        for script in all_knowledge(&Script::chunks(chunks.iter().copied())) {
            let length = chunks.iter().sum::<usize>();
            let sent = read(script.clone(), |_, _| false).await;
            let knows_length = script.size_hint().exact().is_some();
            let given = given(script).await;
            assert_eq!(given.is_complete, is_complete, "{chunks:?}");
            assert_eq!(given.stream.bytes(), sent.bytes(), "{chunks:?}");
            assert_eq!(given.stream.end, End::Whole, "{chunks:?}");
            assert_eq!(given.says_ended, length == 0, "{chunks:?}");
            let is_exact = is_complete || knows_length;
            assert_eq!(given.exact, is_exact.then_some(length as u64), "{chunks:?}");
            assert!(given.lower <= length as u64, "{chunks:?}");
            let cloned = given.cloned.map(|cloned| (cloned.bytes(), cloned.end));
            let whole = (sent.bytes(), End::Whole);
            assert_eq!(cloned, is_complete.then_some(whole), "{chunks:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_cap_is_two_mebibytes() {
    for layer in [
        RequestBodyBufferLayer::new(),
        RequestBodyBufferLayer::default(),
    ] {
        for (length, is_complete) in [(2 << 20, true), ((2 << 20) + 1, false)] {
            let service = service_fn(async |request: Request<BufferedBody<Script>>| {
                assert_eq!(request.body().is_complete(), is_complete);
                Ok::<_, Infallible>(())
            });
            let script = Script::chunks([length - 1, 1]);
            let Ok(()) = layer.layer(service).oneshot(post(script)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_are_kept() {
    let fields = trailers(&[("x-sum", "1"), ("x-other", "2")]);
    for data in [0, 3, CAP as usize, CAP as usize + 1] {
        let script = Script::chunks([data]).then(Step::Trailers(fields.clone()));
        for script in all_knowledge(&script) {
            let knows_length = script.size_hint().exact().is_some();
            let given = given(script).await;
            let [rest @ .., Piece::Trailers(last)] = &given.stream.pieces[..] else {
                panic!("{:?}", given.stream)
            };
            assert_eq!(*last, fields);
            assert_eq!(rest.is_empty(), data == 0);
            assert_eq!(given.stream.bytes().len(), data);
            assert!(!given.says_ended);
            let is_complete = data <= CAP as usize;
            assert_eq!(given.is_complete, is_complete);
            assert_eq!(given.cloned, is_complete.then_some(given.stream.clone()));
            if is_complete {
                // With an exact length, hyper's HTTP/1 client would drop the trailers.
                assert_eq!((given.lower, given.upper), (data as u64, None));
            } else if knows_length {
                assert_eq!(given.exact, Some(data as u64));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_end_stays_one() {
    for chunks in [&[][..], &[1], &[9000, 1], &[9000, 9000], &[20_000, 1]] {
        let script = Script::chunks(chunks.iter().copied()).then(Step::Error);
        for script in all_knowledge(&script) {
            let sent = read(script.clone(), |_, _| false).await;
            let given = given(script).await;
            assert!(!given.is_complete && given.cloned.is_none() && !given.says_ended);
            assert_eq!(given.stream.bytes(), sent.bytes(), "{chunks:?}");
            assert_eq!(given.stream.end, End::Error("broken as scripted".into()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_error_the_body_is_asked_as_without_the_layer() {
    let script = Script::chunks([3]).then(Step::Error).then(Step::Error);
    let service = service_fn(async |request: Request<BufferedBody<Script>>| {
        let mut body = request.into_body();
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
        assert!(body.frame().await.is_none() && !body.is_complete());
        Ok::<_, Infallible>(())
    });
    let Ok(()) = RequestBodyBufferLayer::new()
        .layer(service)
        .oneshot(post(script))
        .await;
}

/// Counts calls, and panics if it is called while it is not ready.
#[derive(Debug)]
struct Strict {
    is_ready: bool,
    /// The service becomes ready at the second poll.
    waited: bool,
    calls: Arc<AtomicUsize>,
}

impl Strict {
    fn new() -> Self {
        Self {
            is_ready: false,
            waited: false,
            calls: Arc::default(),
        }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            waited: false,
            calls: Arc::clone(&self.calls),
        }
    }
}

impl<B: Body> Service<Request<B>> for Strict {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !std::mem::replace(&mut self.waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "not ready");
        self.waited = false;
        drop(request);
        self.calls.fetch_add(1, SeqCst);
        ready(Ok(Response::new(())))
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_that_was_made_ready_is_the_one_that_is_called() {
    let strict = Strict::new();
    let calls = Arc::clone(&strict.calls);
    let mut service = RequestBodyBufferLayer::new().max_bytes(CAP).layer(strict);
    let mut task = task::spawn(());
    for (at, script) in [
        Script::default().knowing_end(),
        Script::chunks([1, 2]),
        Script::new([Step::Pending]).then(Step::Data(pattern(9000))),
        Script::chunks([20_000]),
        Script::chunks([20_000]).knowing_length(),
        Script::chunks([1]).then(Step::Error),
    ]
    .into_iter()
    .enumerate()
    {
        // Each call uses the readiness, and the remaining clone is not ready.
        let mut poll_ready =
            || task.enter(|cx, _| Service::<Request<Script>>::poll_ready(&mut service, cx));
        assert_pending!(poll_ready());
        let Ok(()) = assert_ready!(poll_ready());
        let answer = service.call(post(script));
        assert!(answer.await.is_ok());
        assert_eq!(calls.load(SeqCst), at + 1);
    }
}

async fn made_ready(service: &mut RequestBodyBuffer<Strict>) -> &mut RequestBodyBuffer<Strict> {
    let Ok(()) = poll_fn(|cx| Service::<Request<Feed>>::poll_ready(service, cx)).await;
    service
}

#[tokio::test(start_paused = true)]
async fn two_bodies_can_be_read_at_a_time() {
    let strict = Strict::new();
    let calls = Arc::clone(&strict.calls);
    let mut service = RequestBodyBufferLayer::new().layer(strict);
    let (first, slow) = Feed::new();
    let (second, quick) = Feed::new();
    let mut slow = task::spawn(made_ready(&mut service).await.call(Request::new(slow)));
    let mut quick = task::spawn(made_ready(&mut service).await.call(Request::new(quick)));
    first.send(pattern(3)).unwrap();
    assert_pending!(slow.poll());
    drop(second);
    assert!(assert_ready!(quick.poll()).is_ok());
    assert_eq!(calls.load(SeqCst), 1);
    assert!(!slow.is_woken());
    drop(first);
    assert!(slow.is_woken());
    assert!(assert_ready!(slow.poll()).is_ok());
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_the_service_uncalled() {
    let strict = Strict::new();
    let calls = Arc::clone(&strict.calls);
    let mut service = RequestBodyBufferLayer::new().layer(strict);
    let (sender, body) = Feed::new();
    let mut answer = task::spawn(made_ready(&mut service).await.call(Request::new(body)));
    sender.send(pattern(9000)).unwrap();
    assert_pending!(answer.poll());
    drop(answer);
    assert!(sender.is_closed(), "the body was dropped with the future");
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_has_ended_or_is_declared_too_long_is_not_waited_for() {
    /// A body with configured hints, which must not be polled.
    #[derive(Debug)]
    struct Unpolled(Script);

    impl Body for Unpolled {
        type Data = Bytes;
        type Error = Broken;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Broken>>> {
            panic!("polled")
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_end_stream()
        }

        fn size_hint(&self) -> http_body::SizeHint {
            self.0.size_hint()
        }
    }

    let ended = Script::default().knowing_end();
    let too_long = Script::chunks([CAP as usize, 1]).knowing_length();
    for (script, is_complete) in [(ended, true), (too_long, false)] {
        let called = AtomicBool::new(false);
        let service = service_fn(|request: Request<BufferedBody<Unpolled>>| {
            assert_eq!(request.body().is_complete(), is_complete);
            assert_eq!(request.body().try_clone().is_some(), is_complete);
            called.store(true, SeqCst);
            pending::<Result<(), Infallible>>()
        });
        let mut buffer = RequestBodyBufferLayer::new().max_bytes(CAP).layer(service);
        let _answer = buffer.call(Request::new(Unpolled(script)));
        assert!(called.load(SeqCst), "the service is called inside `call`");
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_end_is_not_waited_for() {
    let known = [
        Script::chunks([5, 6]).knowing_end(),
        Script::chunks([5])
            .then(Step::Trailers(trailers(&[("x-sum", "1")])))
            .then(Step::Hang),
    ];
    for script in known {
        let mut answer = task::spawn(
            RequestBodyBufferLayer::new()
                .layer(Strict::new())
                .oneshot(post(script)),
        );
        assert_pending!(answer.poll()); // it waits for its readiness
        assert!(assert_ready!(answer.poll()).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_the_same_request_and_a_begun_body_has_none() {
    const LONG: usize = 128 << 10; // shorter frames are joined
    let service = service_fn(async |request: Request<BufferedBody<Script>>| {
        let clone = try_clone_request(&request).expect("a whole body");
        assert_eq!(clone.method(), "PUT");
        assert_eq!(clone.uri(), "/items?a=1");
        assert_eq!(clone.version(), Version::HTTP_2);
        assert_eq!(clone.headers(), request.headers());
        assert_eq!(clone.extensions().get::<u8>(), Some(&7));
        let clones_clone = try_clone_request(&clone).expect("a whole body");

        let mut body = request.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(body.is_complete() && body.try_clone().is_none());
        let rest = read(body, |_, _| false).await.bytes();
        assert_eq!((first, rest), (pattern(LONG), pattern(3)));

        let first = |request: Request<BufferedBody<Script>>| async {
            let frame = request.into_body().frame().await.unwrap().unwrap();
            frame.into_data().unwrap()
        };
        let (one, other) = (first(clone).await, first(clones_clone).await);
        assert_eq!(one.as_ptr(), other.as_ptr(), "the bytes are shared");
        Ok::<_, Infallible>(())
    });
    let mut request = Request::put("/items?a=1")
        .version(Version::HTTP_2)
        .header("x-user", "ada")
        .header("x-user", "grace")
        .body(Script::chunks([LONG, 3]))
        .unwrap();
    request.extensions_mut().insert(7u8);
    let Ok(()) = RequestBodyBufferLayer::new()
        .layer(service)
        .oneshot(request)
        .await;
}

#[tokio::test(start_paused = true)]
async fn large_frames_are_shared_and_small_ones_joined() {
    let large = pattern(8192);
    let script = Script::chunks([100; 30])
        .then(Step::Data(large.clone()))
        .then(Step::Data(pattern(5)));
    let given = given(script).await;
    let lengths: Vec<usize> = given
        .stream
        .pieces
        .iter()
        .map(|piece| match piece {
            Piece::Data(data) => data.len(),
            Piece::Trailers(_) => 0,
        })
        .collect();
    // 11 197 bytes are above the limit, so the last frame is forwarded unchanged.
    assert_eq!(lengths, [3000, 8192, 5]);
    assert!(
        matches!(&given.stream.pieces[1], Piece::Data(data) if data.as_ptr() == large.as_ptr())
    );
}

#[test]
fn what_is_shown_of_a_body_is_short() {
    let service = service_fn(async |request: Request<BufferedBody<Script>>| {
        let shown = format!("{:?}", request.body());
        assert_eq!(shown, "BufferedBody { is_complete: true, held: 9000, .. }");
        Ok::<_, Infallible>(())
    });
    let mut answer = pin!(
        RequestBodyBufferLayer::new()
            .layer(service)
            .oneshot(post(Script::chunks([9000])))
    );
    let polled = answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready(), "it also works without a runtime");
}

/// A policy that retries every failure, at most twice.
#[derive(Clone, Debug)]
struct Again(u32);

impl<B: Body, R> retry::Policy<Request<BufferedBody<B>>, R, BoxError> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<BufferedBody<B>>,
        answer: &mut Result<R, BoxError>,
    ) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(1)?;
        answer.is_err().then(|| ready(()))
    }

    fn clone_request(
        &mut self,
        request: &Request<BufferedBody<B>>,
    ) -> Option<Request<BufferedBody<B>>> {
        try_clone_request(request)
    }
}

#[tokio::test(start_paused = true)]
async fn retries_send_the_body_again() {
    let cases = [(9000, true), (100, true), (CAP as usize + 1, false)];
    for (length, is_retried) in cases {
        let primary = Primary::new(Reads::Frames(1), Then::Fails);
        let service = ServiceBuilder::new()
            .layer(RequestBodyBufferLayer::new().max_bytes(CAP))
            .layer(RetryLayer::new(Again(2)))
            .service(primary.clone());
        let sent = service.oneshot(post(Script::chunks([length]))).await;
        assert!(sent.is_err());
        let seen = primary.seen();
        assert_eq!(seen.len(), if is_retried { 3 } else { 1 }, "{length}");
        for (head, stream) in seen {
            assert_eq!(head.method, "POST");
            assert_eq!(stream.bytes(), pattern(length));
        }
    }
}

#[derive(Clone, Debug)]
struct Hedging;

impl<B: Body> hedge::Policy<Request<BufferedBody<B>>> for Hedging {
    fn clone_request(
        &self,
        request: &Request<BufferedBody<B>>,
    ) -> Option<Request<BufferedBody<B>>> {
        try_clone_request(request)
    }

    fn can_retry(&self, _: &Request<BufferedBody<B>>) -> bool {
        true
    }
}

/// Hedges a service after 10 ms. Its first call takes a second of paused time, and the responses are
/// the bodies of the calls.
async fn hedged(
    script: Script,
    second: Result<(), &'static str>,
) -> (Result<Bytes, BoxError>, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |request: Request<BufferedBody<Script>>| {
        let at = counted.fetch_add(1, SeqCst);
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            match at {
                0 => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => second?,
            }
            Ok::<_, BoxError>(body)
        }
    });
    let period = Duration::from_secs(10);
    let hedge = Hedge::new_with_mock_latencies(service, Hedging, 10, 0.9, period, &[10; 10]);
    // `Hedge` is not `Clone`.
    let (hedge, worker) = tower::buffer::Buffer::pair(hedge, 8);
    tokio::spawn(worker);
    let buffer = RequestBodyBufferLayer::new().max_bytes(CAP).layer(hedge);
    let answer = buffer.oneshot(post(script)).await;
    (answer, calls.load(SeqCst))
}

#[tokio::test(start_paused = true)]
async fn hedges_send_the_body_twice_and_the_first_answer_wins() {
    let begun = tokio::time::Instant::now();
    let (answer, calls) = hedged(Script::chunks([9000, 1000]), Ok(())).await;
    assert_eq!(
        (answer.unwrap(), calls),
        ([pattern(9000), pattern(1000)].concat().into(), 2)
    );
    assert!(begun.elapsed() < Duration::from_millis(20));

    // A body above the limit is served, and not hedged.
    let begun = tokio::time::Instant::now();
    let (answer, calls) = hedged(Script::chunks([CAP as usize + 1]), Ok(())).await;
    assert_eq!((answer.unwrap(), calls), (pattern(CAP as usize + 1), 1));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

/// As the documentation of tower's `Hedge` says, the first call that ends decides the result, even
/// if it ends with an error.
#[tokio::test(start_paused = true)]
async fn a_hedge_that_fails_first_wins() {
    let (answer, calls) = hedged(Script::chunks([100]), Err("overloaded")).await;
    assert_eq!(answer.unwrap_err().to_string(), "overloaded");
    assert_eq!(calls, 2);
}

/// Runs a mirror inside a buffer of `CAP` bytes. Returns the only outcome, and the body that the
/// shadow read.
async fn mirrored(primary: &Primary, script: Script) -> (Outcome, Vec<Copy>) {
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.share());
    let service = ServiceBuilder::new()
        .layer(RequestBodyBufferLayer::new().max_bytes(CAP))
        .layer(mirror.clone())
        .service(primary.clone());
    let answer = service.oneshot(post(script)).await;
    assert!(answer.is_ok());
    let stats = settled(&mirror.handle(), 1).await;
    let outcome = stats.outcomes().find(|(_, count)| *count == 1).unwrap().0;
    (outcome, shadow.copies())
}

#[tokio::test(start_paused = true)]
async fn a_mirror_inside_copies_what_the_service_ignores() {
    let sum = || Step::Trailers(trailers(&[("x-sum", "1")]));
    let scripts = [
        Script::chunks([1]),
        Script::chunks([9000, 100, 100]),
        Script::chunks([5, 0, 5]).then(sum()),
        Script::new([Step::Pending, sum()]),
    ];
    for script in scripts {
        let expected = read(script.clone(), |_, _| false).await;
        for reads in [
            Reads::Frames(0),
            Reads::Frames(1),
            Reads::Bytes(1),
            Reads::All,
        ] {
            let primary = Primary::new(reads, Then::Answers(200));
            let (outcome, copies) = mirrored(&primary, script.clone()).await;
            assert_eq!(outcome, Outcome::Completed, "{script:?}");
            assert_eq!(copies[0].stream.bytes(), expected.bytes());
            assert_eq!(
                copies[0].stream.pieces.last(),
                expected
                    .pieces
                    .last()
                    .filter(|last| matches!(last, Piece::Trailers(_)))
                    .or(copies[0].stream.pieces.last())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_inside_copies_no_more_than_arrived() {
    let over = CAP as usize + 1;
    let cases = [
        (Script::chunks([over, 1]), Outcome::Unread),
        (Script::chunks([9000]).then(Step::Error), Outcome::Unread),
        (Script::default().knowing_end(), Outcome::Completed),
        (Script::chunks([0]), Outcome::Completed),
    ];
    for (script, expected) in cases {
        let (outcome, copies) = mirrored(&Primary::ignoring(), script).await;
        assert_eq!(outcome, expected);
        assert!(copies.iter().all(|copy| copy.stream.bytes().is_empty()));
    }
    let cut = Script::chunks([9000]).then(Step::Error);
    let (outcome, copies) = mirrored(&Primary::reading(), cut).await;
    assert_eq!((outcome, copies.len()), (Outcome::BodyError, 0));
}

/// After the whole body has arrived, a client that disconnects does not affect the copy.
#[tokio::test(start_paused = true)]
async fn a_mirror_inside_has_the_body_of_a_client_that_goes_away() {
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.share());
    let primary = Primary::new(Reads::Frames(1), Then::Hangs);
    for primary in [
        RequestBodyBufferLayer::new().layer(mirror.layer(primary)),
        RequestBodyBufferLayer::new()
            .layer(mirror.layer(Primary::new(Reads::Frames(0), Then::Hangs))),
    ] {
        let mut answer = task::spawn(primary.oneshot(post(Script::chunks([9000, 9001]))));
        assert_pending!(answer.poll());
        drop(answer);
    }
    let stats = settled(&mirror.handle(), 2).await;
    assert_eq!(stats.outcome(Outcome::Completed), 2, "{stats}");
    for copy in shadow.copies() {
        assert_eq!(copy.stream.bytes().len(), 18_001);
    }
}

/// A layer is between the two: the copy has the body that the mirror's service would have read, and
/// never the body before the layer has changed it.
#[tokio::test(start_paused = true)]
async fn the_copy_is_of_the_body_that_a_layer_between_made() {
    for reads in [Reads::All, Reads::Frames(0)] {
        let shadow = TestShadow::recording();
        let mirror = MirrorLayer::new(shadow.share());
        let service = ServiceBuilder::new()
            .layer(RequestBodyBufferLayer::new())
            .layer(MapRequestLayer::new(
                |request: Request<BufferedBody<Script>>| {
                    request.map(|body| {
                        axum::body::Body::new(body.map_frame(|frame| {
                            frame.map_data(|data| Bytes::from(vec![b'*'; data.len()]))
                        }))
                    })
                },
            ))
            .layer(mirror.clone())
            .service(Primary::new(reads, Then::Answers(200)));
        let answer = service.oneshot(post(Script::chunks([9000, 4]))).await;
        assert!(answer.is_ok());
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
        assert_eq!(shadow.one().stream.bytes(), vec![b'*'; 9004]);
    }
}

/// A layer between the two replaces the body with one that is not in memory: the mirror does not
/// wait for it.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_there_at_once_is_unread() {
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.share());
    for script in [
        Script::chunks([3]).then(Step::Hang),
        Script::chunks([3]).then(Step::Pending),
    ] {
        let service = ServiceBuilder::new()
            .layer(RequestBodyBufferLayer::new())
            .map_request(move |request: Request<BufferedBody<Script>>| {
                request.map(|_| script.clone())
            })
            .layer(mirror.clone())
            .service(Primary::ignoring());
        assert!(service.oneshot(post(Script::chunks([5]))).await.is_ok());
    }
    let stats = settled(&mirror.handle(), 2).await;
    assert_eq!(stats.outcome(Outcome::Unread), 2, "{stats}");
}

/// The body of the layer panics: only the copy is affected, even if the primary panics too.
#[tokio::test(start_paused = true)]
async fn a_body_that_panics_when_it_is_dropped_is_unread() {
    for primary_panics in [false, true] {
        let mirror = MirrorLayer::new(TestShadow::recording());
        let service = ServiceBuilder::new()
            .layer(RequestBodyBufferLayer::new())
            .map_request(|request: Request<BufferedBody<Script>>| {
                request.map(|body| {
                    body.map_frame(|_| -> http_body::Frame<Bytes> { panic!("a deliberate panic") })
                })
            })
            .layer(mirror.clone())
            .service(service_fn(move |request: Request<_>| async move {
                let _held = request;
                assert!(!primary_panics, "a deliberate panic");
                Ok::<_, Infallible>(Response::new(()))
            }));
        let sent = tokio::spawn(service.oneshot(post(Script::chunks([5])))).await;
        assert_eq!(sent.is_err(), primary_panics);
        let stats = settled(&mirror.handle(), 1).await;
        assert_eq!(stats.outcome(Outcome::Unread), 1, "{stats}");
    }
}

/// A copy that is lost while the rest of its body is read drops its frames. A panic in their
/// destructors does not reach the primary.
#[tokio::test(start_paused = true)]
async fn a_frame_that_panics_when_it_is_dropped_does_not_reach_the_primary() {
    let mirror = MirrorLayer::new(TestShadow::recording());
    let service = ServiceBuilder::new()
        .layer(RequestBodyBufferLayer::new())
        .map_request(|request: Request<BufferedBody<Script>>| {
            let data = Bytes::from_owner(DataThatPanics(vec![0; 9000]));
            // This body is as long as the one in memory, so its frames are shared.
            request.map(|_| Script::new([Step::Data(data), Step::Hang]).knowing_length())
        })
        .layer(mirror.clone())
        .service(Primary::ignoring());
    let sent = tokio::spawn(service.oneshot(post(Script::chunks([9000])))).await;
    assert!(sent.is_ok());
    let stats = settled(&mirror.handle(), 1).await;
    assert_eq!(stats.outcome(Outcome::Unread), 1, "{stats}");
}

/// The request still has the extension for a body in memory, but the frames of this body are not in
/// memory.
#[tokio::test(start_paused = true)]
async fn a_body_put_in_the_place_of_a_buffered_one_is_charged_as_any_other() {
    struct ReadBuffer(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for ReadBuffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for ReadBuffer {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
        }
    }

    let mirror = MirrorLayer::new(TestShadow::recording());
    let (feed, body) = Feed::new();
    let body = Arc::new(Mutex::new(Some(body)));
    let service = ServiceBuilder::new()
        .layer(RequestBodyBufferLayer::new())
        .map_request(move |request: Request<BufferedBody<Script>>| {
            let body = lock(&body).take().expect("one request");
            request.map(|_| body)
        })
        .layer(mirror.clone())
        .service(service_fn(async |request: Request<TeeBody<Feed>>| {
            let mut body = request.into_body();
            while body.frame().await.is_some() {}
            Ok::<_, Infallible>(Response::new(()))
        }));
    let answer = tokio::spawn(service.oneshot(post(Script::chunks([5]))));
    let freed = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let buffer = ReadBuffer(vec![0; 100_000], Arc::clone(&freed));
        feed.send(Bytes::from_owner(buffer).slice(..100)).unwrap();
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(freed.load(SeqCst), 10);
    let held = mirror.handle().stats().buffered_bytes();
    assert_eq!(held, 8192 + 10 * (100 + 64));
    drop(feed);
    answer.await.unwrap().unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
}

/// The body is captured once, and not twice: the copy has the buffer's frames.
#[tokio::test(start_paused = true)]
async fn frames_of_a_buffered_body_are_held_once() {
    // The mirror receives 9 000 bytes in small frames as one piece, and shares it with the primary.
    let primary = Primary::reading();
    let (_, copies) = mirrored(&primary, Script::chunks([90; 100])).await;
    let (_, stream) = primary.one();
    let place = |stream: &Stream| match &stream.pieces[..] {
        [Piece::Data(data)] => data.as_ptr(),
        other => panic!("expected exactly one frame: {other:?}"),
    };
    assert_eq!(place(&stream), place(&copies[0].stream));
}

/// The mirror is around the buffer: each request has one copy, even if it is tried several times.
#[tokio::test(start_paused = true)]
async fn a_mirror_around_copies_each_request_once_and_whole() {
    for primary in [
        Primary::ignoring(),
        Primary::new(Reads::Frames(0), Then::Fails),
    ] {
        let shadow = TestShadow::recording();
        let mirror = MirrorLayer::new(shadow.share());
        let service = ServiceBuilder::new()
            .layer(mirror.clone())
            .layer(RequestBodyBufferLayer::new())
            .layer(RetryLayer::new(Again(2)))
            .service(primary);
        let _ = service.oneshot(post(Script::chunks([9000, 1]))).await;
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
        assert_eq!(shadow.one().stream.bytes().len(), 9001);
    }
}

/// This is the form that axum users write: two calls of `layer`, with axum's body between them.
#[tokio::test(start_paused = true)]
async fn under_axum_handlers_that_ignore_their_body_are_mirrored() {
    use axum::{Router, body::Body, routing::post};

    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.share());
    let ignores = || Router::<()>::new().route("/", post(async || "pong"));
    let apps = [
        ignores()
            .layer(mirror.clone())
            .layer(RequestBodyBufferLayer::new()),
        ignores().layer((RequestBodyBufferLayer::new(), mirror.clone())),
        Router::new()
            .fallback_service(RequestBodyBufferLayer::new().layer(ignores().layer(mirror.clone()))),
        Router::new()
            .fallback_service(RequestBodyBufferLayer::new().layer(mirror.layer(ignores()))),
    ];
    for app in apps {
        let request = Request::post("/").body(Body::from("hello")).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::OK);
    }
    let stats = settled(&mirror.handle(), 4).await;
    assert_eq!(stats.outcome(Outcome::Completed), 4, "{stats}");
    assert!(
        shadow
            .copies()
            .iter()
            .all(|copy| copy.stream.bytes() == "hello")
    );
}

#[test]
fn every_type_crosses_threads() {
    fn owned<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    type Inner = fn(Request<BufferedBody<Full<Bytes>>>) -> Ready<Result<(), Infallible>>;
    type Answer = Ready<Result<(), Infallible>>;
    owned::<RequestBodyBufferLayer>();
    owned::<BufferedBody<Full<Bytes>>>();
    owned::<RequestBodyBuffer<tower::util::ServiceFn<Inner>>>();
    owned::<tower_mirror::buffer::ResponseFuture<tower::util::ServiceFn<Inner>, Full<Bytes>, Answer>>(
    );
}

/// The body is polled by hand, because reading a complete body must never wait.
#[tokio::test(start_paused = true)]
async fn a_complete_body_is_there_at_once() {
    let service = service_fn(async |request: Request<BufferedBody<Script>>| {
        let mut body = pin!(request.into_body());
        loop {
            let polled = poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
            match polled {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => return Ok::<_, Infallible>(()),
                other => panic!("{other:?}"),
            }
        }
    });
    let script = Script::new([Step::Pending, Step::Data(pattern(9))]).then(Step::Pending);
    let Ok(()) = RequestBodyBufferLayer::new()
        .layer(service)
        .oneshot(post(script))
        .await;
}

/// Returns the maximum number of bytes that are allocated at one time, without the frames of the
/// script.
fn held_at_most(script: Script, is_mirrored: bool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let shadow = service_fn(async |copy: Request<tower_mirror::ShadowBody>| {
        let mut body = copy.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    });
    let mirror = MirrorLayer::new(shadow);
    if !is_mirrored {
        mirror.handle().pause();
    }
    let service = service_fn(async |request: Request<_>| {
        drop(request);
        Ok::<_, Infallible>(Response::new(()))
    });
    let service = RequestBodyBufferLayer::new().layer(mirror.layer(service));
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let Ok(_) = service.oneshot(post(script)).await;
            mirror.handle().wait_idle().await;
        });
    });
    counted.bytes_max
}

/// The memory depends on the bytes of a body, and not on the frames in which a client sends them. A
/// mirror inside needs almost no more memory.
#[test]
fn bytes_are_held_once_however_they_come() {
    const MIB: usize = 1 << 20;
    for frame in [1, 100, 8191, 8192, 65_536] {
        let script = Script::chunks(std::iter::repeat_n(frame, MIB / frame));
        let buffer_only = held_at_most(script.clone(), false);
        let mirrored = held_at_most(script.clone(), true);
        drop(script); // this is not dropped earlier, because the count would then be too small
        println!(
            "frames of {frame}: {buffer_only} bytes without a mirror, {mirrored} with a mirror inside"
        );
        assert!(buffer_only < 3 * MIB as u64 / 2, "{frame}: {buffer_only}");
        assert!(
            mirrored < buffer_only + 64 * 1024,
            "{frame}: {mirrored}, without a mirror {buffer_only}"
        );
    }
}
