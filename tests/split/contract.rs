//! S1, S5: a split and its subsets fulfil the contract of `Service`, and no subset disturbs
//! another.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{sync::Semaphore, time::Instant};
use tokio_test::{assert_pending, task::spawn};
use tower::{Service, ServiceBuilder, limit::ConcurrencyLimit, util::BoxCloneSyncService};
use tower_mirror::{
    BoxError, Draw, WeightedSplit,
    split::{InvalidSplit, Reason, Unavailable, WeightedSplitBuilder},
};
use tower_mirror_testing::{
    Broken, Feed, Primary, Script, Step, pattern, read,
    split::{Readiness, Strict, answer, served},
    trailers,
};

const WAIT: Duration = Duration::from_millis(100);
const HALF: Duration = Duration::from_millis(50);
const ZERO: Duration = Duration::ZERO;

fn request() -> Request<String> {
    Request::new(String::new())
}

/// A split with the weights 90 and 10, whose requests draw these points of the circle.
fn builder<S, const N: usize>(v1: S, v2: S, points: [u64; N]) -> WeightedSplitBuilder<S> {
    WeightedSplit::builder("catalog")
        .subset("v1", 90, v1)
        .subset("v2", 10, v2)
        .draw(Draw::sequence(points))
        .ready_timeout(WAIT)
}

const STABLE: u64 = 0;
const CANARY: u64 = u64::MAX;

fn is_ready<S: Service<Request<String>>>(service: &mut S) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(())))
}

#[tokio::test(start_paused = true)]
async fn only_the_chosen_clone_is_readied_and_not_before_its_future_runs() {
    let (v1, v2) = (
        Strict::new("v1", Readiness::AtOnce),
        Strict::new("v2", Readiness::AtOnce),
    );
    let split = builder(v1.clone(), v2.clone(), [STABLE, CANARY]).build();
    let mut split = split.unwrap();
    for turn in 1..=5 {
        assert!(is_ready(&mut split));
        // A clone of a split that was polled for readiness can be called like the split.
        let mut clone = split.clone();
        let (first, second) = (split.call(request()), clone.call(request()));
        assert_eq!(
            (v1.asked(), v2.asked()),
            ((turn - 1, turn - 1), (turn - 1, turn - 1))
        );
        assert_eq!(second.await.unwrap().into_body(), "v2");
        assert_eq!(first.await.unwrap().into_body(), "v1");
        assert_eq!((v1.asked(), v2.asked()), ((turn, turn), (turn, turn)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_is_ready_even_if_its_subsets_are_not() {
    for readiness in [Readiness::Never, Readiness::Fails, Readiness::After(HALF)] {
        let subset = |name| Strict::new(name, readiness);
        let mut split = builder(subset("v1"), subset("v2"), [0]).build().unwrap();
        assert!(is_ready(&mut split));
        split.handle().set_weights([("v1", 0), ("v2", 0)]).unwrap();
        assert!(is_ready(&mut split));
        assert_eq!(
            answer(&mut split, request()).status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}

/// S1: a case in which tower's `Steer` fails.
#[tokio::test(start_paused = true)]
async fn an_idle_clone_holds_no_permit() {
    let permits = [(); 2].map(|()| Arc::new(Semaphore::new(2)));
    let subset = |name, at: usize| {
        let inner = Strict::new(name, Readiness::AtOnce);
        ConcurrencyLimit::with_semaphore(inner, Arc::clone(&permits[at]))
    };
    let split = builder(
        subset("v1", 0),
        subset("v2", 1),
        [STABLE, STABLE, CANARY, CANARY],
    );
    let split = split.build().unwrap();
    let mut clones = [split.clone(), split.clone(), split];
    for clone in &mut clones {
        for _ in 0..4 {
            assert!(is_ready(clone));
            clone.call(request()).await.unwrap();
            assert!(is_ready(clone));
            assert!(
                permits
                    .iter()
                    .all(|permits| permits.available_permits() == 2)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_it_waits_releases_its_permit() {
    let permits = Arc::new(Semaphore::new(1));
    let subset = |name, readiness| {
        ConcurrencyLimit::with_semaphore(Strict::new(name, readiness), Arc::clone(&permits))
    };
    let busy = subset("v1", Readiness::Never);
    let stable = subset("v2", Readiness::AtOnce);
    let split = builder(busy, stable, [STABLE]).fallback("v1", "v2").build();
    let mut split = split.unwrap();

    let mut waits = spawn(split.call(request()));
    assert_pending!(waits.poll());
    assert_eq!(
        permits.available_permits(),
        0,
        "the request has its permit and still waits"
    );
    drop(waits);
    assert_eq!(permits.available_permits(), 1);

    // The same is true for a request that is moved to the fallback: both subsets share one permit.
    assert_eq!(split.call(request()).await.unwrap().into_body(), "v2");
    assert_eq!(permits.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subset_that_fails_or_hangs_does_not_affect_another() {
    for readiness in [Readiness::Fails, Readiness::Never] {
        let stable = Strict::new("v1", Readiness::AtOnce);
        let canary = Strict::new("v2", readiness);
        let points = [CANARY, STABLE, STABLE];
        let mut split = builder(stable, canary.clone(), points).build().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            let mut of_canary = spawn(split.call(request()));
            assert_eq!(of_canary.poll().is_pending(), readiness == Readiness::Never);
            waiting.push(of_canary);
            for _ in 0..2 {
                assert_eq!(split.call(request()).await.unwrap().into_body(), "v1");
            }
            assert_eq!(begun.elapsed(), ZERO);
        }
        assert_eq!(canary.asked(), (50, 0));
    }
}

/// The result of a request for `v1`.
#[derive(Debug, PartialEq)]
enum Ends {
    By(&'static str),
    Unready,
    Refused(&'static str),
}
use Ends::{By, Refused, Unready};
use Readiness::{After, AtOnce, Fails, Never};

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_request_whose_subset_is_not_ready() {
    let cases = [
        // The readiness of v1, and of its fallback if there is one; the result; and the time of the
        // result.
        (AtOnce, Some(Never), By("v1"), ZERO),
        (After(HALF), Some(AtOnce), By("v1"), HALF),
        (Fails, Some(AtOnce), By("v2"), ZERO),
        (Never, Some(AtOnce), By("v2"), WAIT),
        (After(2 * WAIT), Some(AtOnce), By("v2"), WAIT),
        (Fails, Some(After(HALF)), By("v2"), HALF),
        (Never, Some(After(HALF)), By("v2"), WAIT + HALF), // the fallback has its own time
        (Fails, Some(Fails), Unready, ZERO),               // the request is not moved on to v3
        (Never, Some(Fails), Unready, WAIT),
        (Fails, Some(Never), Refused("v2"), WAIT),
        (Never, Some(Never), Refused("v2"), 2 * WAIT),
        (After(HALF), None, By("v1"), HALF),
        (Fails, None, Unready, ZERO),
        (Never, None, Refused("v1"), WAIT),
    ];
    for (of_v1, of_v2, expected, after) in cases {
        let case = format!("{of_v1:?}, then {of_v2:?}");
        let (v1, v3) = (Strict::new("v1", of_v1), Strict::new("v3", AtOnce));
        let v2 = Strict::new("v2", of_v2.unwrap_or(AtOnce));
        let refuse = |why: &Unavailable| match why {
            Unavailable::NotReady { subset, .. } if &**subset == "v1" => Response::new("not v1"),
            Unavailable::NotReady { subset, .. } if &**subset == "v2" => Response::new("not v2"),
            _ => panic!("{why}"),
        };
        let mut builder = WeightedSplit::builder("catalog")
            .unavailable(refuse)
            .subset("v1", 1, v1.clone())
            .subset("v2", 0, v2.clone())
            .subset("v3", 0, v3.clone())
            .ready_timeout(WAIT);
        if of_v2.is_some() {
            builder = builder.fallback("v1", "v2").fallback("v2", "v3");
        }
        let mut split = builder.build().unwrap();
        for turn in 1..=2 {
            let begun = Instant::now();
            let answered = split.call(request()).await;
            assert_eq!(begun.elapsed(), after, "{case}");
            let ends = match answered {
                Err(error) => {
                    assert!(error.is::<Broken>(), "{case}: {error}");
                    Unready
                }
                Ok(answer) if answer.body().starts_with("not ") => Refused(&answer.body()[4..]),
                Ok(answer) => {
                    let from = Arc::from("v1");
                    let reason = &served(&answer).reason;
                    assert_eq!(
                        *answer.body() == "v2",
                        *reason != Reason::Weighted,
                        "{case}"
                    );
                    if let Reason::Fallback { from: found, .. } = reason {
                        assert_eq!(*found, from);
                    }
                    By(answer.into_body())
                }
            };
            assert_eq!(ends, expected, "{case}");

            // Each subset is called and counted once.
            let stats = split.handle().stats();
            let counts = |name| {
                let of = stats.subset(name).unwrap();
                (of.weighted, of.fallback, of.unready)
            };
            let if_is = |is: bool| if is { turn } else { 0 };
            let by = |name| if_is(expected == By(name));
            let moved = of_v2.is_some() && expected != By("v1");
            assert_eq!(
                counts("v1"),
                (by("v1"), 0, if_is(expected != By("v1"))),
                "{case}"
            );
            let unready = if_is(moved && expected != By("v2"));
            assert_eq!(counts("v2"), (0, by("v2"), unready), "{case}");
            let refused = matches!(expected, Refused(_));
            assert_eq!(stats.not_ready, if_is(refused), "{case}");
            assert_eq!(v1.asked().1 as u64, by("v1"), "{case}");
            assert_eq!(v2.asked().1 as u64, by("v2"), "{case}");
            assert_eq!(v3.asked(), (0, 0), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_subset_can_answer_is_the_users_to_answer() {
    let teapot = |why: &Unavailable| {
        let mut answer = Response::new(match why {
            Unavailable::NoWeight => "drained",
            _ => "not ready",
        });
        *answer.status_mut() = StatusCode::IM_A_TEAPOT;
        answer
    };
    let never = || (Strict::new("v1", Never), Strict::new("v2", Never));
    let (v1, v2) = never();
    let mut own = builder(v1, v2, [CANARY])
        .unavailable(teapot)
        .build()
        .unwrap();
    let (v1, v2) = never();
    let mut default = builder(v1, v2, [CANARY]).build().unwrap();
    for weights in [[("v1", 90), ("v2", 10)], [("v1", 0), ("v2", 0)]] {
        own.handle().set_weights(weights).unwrap();
        default.handle().set_weights(weights).unwrap();
        let answer = own.call(request()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
        let is_drained = weights[0].1 == 0;
        assert_eq!(
            *answer.body(),
            if is_drained { "drained" } else { "not ready" }
        );
        let answer = default.call(request()).await.unwrap();
        assert_eq!(
            (answer.status(), *answer.body()),
            (StatusCode::SERVICE_UNAVAILABLE, "")
        );
    }
    assert_eq!(Unavailable::NoWeight.to_string(), "all weights are zero");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_falls_back_is_whole_and_need_not_be_clone() {
    type Subset<B> = BoxCloneSyncService<Request<B>, Response<Full<Bytes>>, BoxError>;
    fn falling<B>(primary: &Primary) -> Result<WeightedSplit<Subset<B>>, InvalidSplit>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError> + Send,
    {
        let busy = ServiceBuilder::new()
            .map_response(|_: Response<&str>| unreachable!("it is never called"))
            .service(Strict::new("v2", Never));
        WeightedSplit::builder("catalog")
            .subset("v1", 0, BoxCloneSyncService::new(primary.clone()))
            .subset("v2", 1, BoxCloneSyncService::new(busy))
            .fallback("v2", "v1")
            .build()
    }

    // The bodies are: data, a pause and trailers; and a body that is still being written.
    let primary = Primary::reading();
    let script = Script::chunks([5, 9000]).then(Step::Pending);
    let script = script.then(Step::Trailers(trailers(&[("x-sum", "1")])));
    let request = |uri| {
        Request::builder()
            .method(Method::PUT)
            .uri(uri)
            .header("x-user", "ada")
    };
    let sent = request("/items/7?full=1").body(script.clone()).unwrap();
    falling(&primary).unwrap().call(sent).await.unwrap();
    let (head, stream) = primary.one();
    assert_eq!(
        (head.method, head.uri.to_string()),
        (Method::PUT, "/items/7?full=1".into())
    );
    assert_eq!(head.headers.len(), 1);
    assert_eq!(stream, read(script, |_, _| false).await);

    let primary = Primary::reading();
    let (writer, feed) = Feed::new();
    let sent = request("/feed").body(feed).unwrap();
    let answer = tokio::spawn(falling(&primary).unwrap().call(sent));
    for length in [1, 4000] {
        tokio::time::sleep(2 * Duration::from_secs(1)).await;
        writer.send(pattern(length)).unwrap();
    }
    drop(writer);
    assert_eq!(&*served(&answer.await.unwrap().unwrap()).subset, "v1");
    assert_eq!(primary.one().1.bytes().len(), 4001);
}

#[test]
fn without_timers_a_split_waits_and_does_not_panic() {
    let waits = |mut split: WeightedSplit<Strict>| {
        let mut request = spawn(split.call(request()));
        assert_pending!(request.poll());
        assert_pending!(request.poll());
    };
    let build = |of_v2| {
        let (v1, v2) = (Strict::new("v1", AtOnce), Strict::new("v2", of_v2));
        builder(v1, v2, [CANARY])
            .fallback("v2", "v1")
            .build()
            .unwrap()
    };
    waits(build(Never)); // there is no runtime
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { waits(build(Never)) });
    assert_eq!(answer(&mut build(Fails), request()).into_body(), "v1");
}

/// Work that always wakes itself uses up tokio's budget, and timers then do not fire.
#[tokio::test(start_paused = true)]
async fn a_subset_that_keeps_a_thread_busy_does_not_hold_off_its_deadline() {
    #[derive(Clone)]
    struct Busy;

    impl Service<Request<String>> for Busy {
        type Response = Response<&'static str>;
        type Error = BoxError;
        type Future = std::future::Pending<Result<Self::Response, BoxError>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
            Poll::Pending
        }

        fn call(&mut self, _request: Request<String>) -> Self::Future {
            pending()
        }
    }

    let mut split = builder(Busy, Busy, [CANARY]).build().unwrap();
    let answer = tokio::spawn(split.call(request()));
    for _ in 0..4 {
        tokio::time::advance(HALF).await;
    }
    assert!(answer.is_finished());
    assert_eq!(split.handle().stats().not_ready, 1);
}

#[tokio::test(start_paused = true)]
async fn no_deadline_is_too_long_or_too_short() {
    for (timeout, of_v2) in [(Duration::MAX, After(HALF)), (ZERO, AtOnce)] {
        let (v1, v2) = (Strict::new("v1", AtOnce), Strict::new("v2", of_v2));
        let split = builder(v1, v2, [CANARY]).ready_timeout(timeout);
        let answer = split.build().unwrap().call(request()).await.unwrap();
        assert_eq!(answer.into_body(), "v2");
    }
    let default = WeightedSplit::builder("catalog").subset("v1", 1, Strict::new("v1", Never));
    let begun = Instant::now();
    default.build().unwrap().call(request()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}
