//! Splits together with mirrors, other splits, axum, and subsets that fail.

use std::{cell::Cell, convert::Infallible, marker::PhantomData, rc::Rc};

use axum::{
    Router,
    body::Body as AxumBody,
    extract::Request as AxumRequest,
    routing::{any, get as on_get},
};
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_mirror::{
    BoxError, Draw, EmptyResponse, MirrorLayer, Outcome, SampleRate, ServedBy, WeightedSplit,
    WeightedSplitLayer,
    observe::StatusClass,
    split::{self, BoxedSubset, Reason, Unavailable, not_served_by},
};
use tower_mirror_testing::{
    Act, Broken, Primary, Script, TestShadow,
    split::{Named, Readiness, Strict, answer, counts, served, split},
};

const TENTH: [(&str, u32); 2] = [("v1", 90), ("v2", 10)];

fn request() -> Request<String> {
    Request::new(String::new())
}

/// S3, M7: the draws of a split and a mirror have different steps, so they coincide as often as
/// independent draws.
#[tokio::test(start_paused = true)]
async fn a_mirror_meets_the_canary_as_often_as_anybody_else() {
    const REQUESTS: usize = 10_000;
    for (of_mirror, of_split) in (0..10).flat_map(|step| (1..=5).map(move |by| (step, step + by))) {
        let mirror = MirrorLayer::builder(TestShadow::new(Act::AnswersAtLength(0)))
            .sample_rate(SampleRate::percent(10.0).unwrap())
            .draw(Draw::even_seeded(of_mirror))
            .build();
        // The canary answers with another class of status, so the mirror's table distinguishes the
        // subsets.
        let found_by_canary = |mut answer: Response<&'static str>| {
            if *answer.body() == "v2" {
                *answer.status_mut() = StatusCode::FOUND;
            }
            answer
        };
        let mut stack = ServiceBuilder::new()
            .layer(&mirror)
            .map_response(found_by_canary)
            .service(split(&TENTH, Draw::even_seeded(of_split)));
        for turn in 0..REQUESTS {
            answer(&mut stack, request());
            if turn % 64 == 0 {
                mirror.handle().wait_idle().await;
            }
        }
        mirror.handle().wait_idle().await;
        let stats = mirror.handle().stats();
        let both = stats.statuses(StatusClass::Redirection, StatusClass::Success);
        let stable = stats.statuses(StatusClass::Success, StatusClass::Success);
        assert!((both + stable).abs_diff(1000) <= 8, "{stats}");
        assert!(
            (83..=117).contains(&both),
            "{of_mirror}, {of_split}: {both}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_around_a_split_copies_what_any_subset_serves() {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = MirrorLayer::new(shadow.share());
    let split = WeightedSplit::builder("catalog")
        .subset("v1", 1, primary.clone())
        .subset("v2", 1, primary.clone())
        .draw(Draw::sequence([0, u64::MAX]))
        .build()
        .unwrap();
    let mut stack = mirror.layer(split);
    for name in ["v1", "v2"] {
        let answer = stack
            .call(tower_mirror_testing::post(Script::chunks([5, 9000])))
            .await;
        assert_eq!(&*served(&answer.unwrap()).subset, name);
    }
    tower_mirror_testing::settled(&mirror.handle(), 2).await;
    let (seen, copies) = (primary.seen(), shadow.copies());
    assert_eq!(copies.len(), 2);
    for ((head, stream), copy) in seen.iter().zip(&copies) {
        assert_eq!(stream.bytes(), copy.stream.bytes());
        assert!(head.extensions.get::<ServedBy>().is_some());
        // The subset that serves the request does not serve the copy.
        assert_eq!(copy.head.extensions.get::<ServedBy>(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_within_a_split_can_spare_the_subset_that_is_its_shadow() {
    // A mirror only around the canary copies the canary's requests.
    let mirror = MirrorLayer::new(TestShadow::recording());
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 90, BoxCloneSyncService::new(Named("v1")))
        .subset(
            "v2",
            10,
            BoxCloneSyncService::new(mirror.layer(Named("v2"))),
        )
        .build()
        .unwrap();
    let found = counts(&mut split, 200);
    tower_mirror_testing::settled(&mirror.handle(), found["v2"] as u64).await;

    // A mirror around both subsets, whose shadow is the canary, copies the requests that the canary
    // does not serve.
    let spare = MirrorLayer::builder(TestShadow::recording())
        .filter(not_served_by("v2"))
        .build();
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 90, spare.layer(Named("v1")))
        .subset("v2", 10, spare.layer(Named("v2")))
        .build()
        .unwrap();
    let found = counts(&mut split, 200);
    let stats = tower_mirror_testing::settled(&spare.handle(), 200).await;
    assert_eq!(
        stats.outcome(Outcome::Filtered),
        found["v2"] as u64,
        "{stats}"
    );

    // Outside a split, the filter accepts all requests.
    answer(
        &mut spare.layer(service_fn(async |_| Ok::<_, Infallible>(Response::new("")))),
        request(),
    );
    assert_eq!(
        spare.handle().stats().outcome(Outcome::Filtered),
        found["v2"] as u64
    );
}

#[tokio::test]
async fn all_routes_and_clones_of_an_axum_application_share_one_split() {
    let v2 = Router::<()>::new().fallback(any(async || "v2"));
    let layer = WeightedSplitLayer::builder("catalog")
        .inner("v1", 90)
        .subset("v2", 10, v2)
        .draw(Draw::even())
        .build()
        .unwrap();
    let handle = layer.handle();
    let app: Router = Router::new()
        .route("/a", on_get(async || "v1"))
        .route("/b", on_get(async |_: AxumRequest| "v1"))
        .route("/c", on_get(async || "v1").post(async || "v1"))
        .layer(layer.clone());
    let send = async |path: &str| {
        let request = Request::get(path).body(AxumBody::empty()).unwrap();
        let answer: Response<AxumBody> = app.clone().oneshot(request).await.unwrap();
        let subset = served(&answer).subset.to_string();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, subset);
        subset
    };
    let mut canary = 0_usize;
    for turn in 0..1000 {
        canary += usize::from(send(["/a", "/b", "/c"][turn % 3]).await == "v2");
        assert!((10 * canary).abs_diff(turn + 1) <= 80, "{canary} of {turn}");
    }
    handle.set_weights([("v1", 0), ("v2", 1)]).unwrap();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(send(path).await, "v2");
    }
    let stats = layer.handle().stats();
    assert_eq!(
        stats
            .subsets
            .iter()
            .map(|subset| subset.served())
            .sum::<u64>(),
        1003
    );

    // A refusal is a response too.
    handle.set_weight("v2", 0).unwrap();
    let answer = app
        .clone()
        .oneshot(Request::new(AxumBody::empty()))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_subset_that_fails_becomes_a_bad_gateway_beside_one_that_does_not() {
    #[derive(Debug)]
    struct Outer;
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no answer\r\nfrom v2")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&Broken)
        }
    }
    type Subset = BoxCloneSyncService<Request<String>, Response<String>, BoxError>;

    let owned = || ServiceBuilder::new().map_response(|r: Response<&str>| r.map(str::to_owned));
    let unready: Subset =
        BoxCloneSyncService::new(owned().service(Strict::new("v2", Readiness::Fails)));
    let ready: Subset =
        BoxCloneSyncService::new(owned().service(Strict::new("v2", Readiness::AtOnce)));
    let fails: Subset = BoxCloneSyncService::new(service_fn(async |_| {
        Err::<Response<String>, _>(Outer.into())
    }));
    let never: Subset =
        BoxCloneSyncService::new(owned().service(Strict::new("v2", Readiness::Never)));
    let cases = [
        // A request that was not sent can be moved to the fallback. A request that was sent cannot
        // be moved.
        (&ready, false, 200, "v2"),
        (&unready, false, 502, "broken as scripted\n"),
        (&unready, true, 200, "v1"),
        (
            &fails,
            false,
            502,
            "no answer  from v2: broken as scripted\n",
        ),
        (
            &fails,
            true,
            502,
            "no answer  from v2: broken as scripted\n",
        ),
        (&never, false, 503, ""),
        (&never, true, 200, "v1"),
    ];
    let inner =
        service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new("v1".to_owned())));
    for (subset, falls_back, status, body) in cases {
        let mut builder = WeightedSplitLayer::builder("catalog")
            .inner("v1", 0)
            .subset_with_errors("v2", 1, subset.clone(), split::bad_gateway);
        if falls_back {
            builder = builder.fallback("v2", "v1");
        }
        let layer = builder.build().unwrap();
        let Ok(answer) = layer.layer(inner).call(request()).await;
        assert_eq!((answer.status().as_u16(), &**answer.body()), (status, body));
        let stats = layer.handle().stats();
        let v2 = stats.subset("v2").unwrap();
        let is_sent = body != "v1" && answer.extensions().get::<ServedBy>().is_some();
        // A response that no subset made contains the reason.
        let why = answer.extensions().get::<Unavailable>();
        let is_served = body == "v1" || is_sent;
        assert_eq!(why.is_none(), is_served, "{body}: {why:?}");
        assert_eq!(
            (v2.weighted, v2.unready),
            (is_sent.into(), (!is_sent).into()),
            "{body}"
        );
    }
}

/// The wrapped service does not need to be `Send` or `'static`, and keeps its type.
#[test]
fn the_wrapped_service_keeps_its_type() {
    #[derive(Clone)]
    struct Local<'a>(&'a Cell<u32>, PhantomData<Rc<()>>);

    impl Service<Request<String>> for Local<'_> {
        type Response = Response<&'static str>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(
            &mut self,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Request<String>) -> Self::Future {
            self.0.set(self.0.get() + 1);
            std::future::ready(Ok(Response::new("v1")))
        }
    }

    let calls = Cell::new(0);
    let layer = WeightedSplitLayer::builder("catalog")
        .inner("v1", 1)
        .subset("v2", 1, Named("v2"))
        .build()
        .unwrap();
    let mut split: WeightedSplit<
        Local<'_>,
        EmptyResponse,
        BoxedSubset<String, &'static str, Infallible>,
    > = layer.layer(Local(&calls, PhantomData));
    let found = counts(&mut split, 1000);
    assert_eq!(found["v1"], calls.get() as usize);
    assert!(found["v1"].abs_diff(500) <= 8, "{found:?}");
}

#[test]
fn a_split_is_a_subset_like_any_other() {
    let inner = split(&[("a", 1), ("b", 1)], Draw::even_seeded(1));
    let inner_handle = inner.handle();
    let header = HeaderName::from_static("x-version");
    let mut outer = WeightedSplit::builder("outer")
        .subset("v1", 1, BoxCloneSyncService::new(Named("v1")))
        .subset("v2", 1, BoxCloneSyncService::new(inner))
        .draw(Draw::even_seeded(2))
        .response_header(header.clone())
        .build()
        .unwrap();
    let mut found = std::collections::BTreeMap::<_, usize>::new();
    for _ in 0..2000 {
        let answer = answer(&mut outer, request());
        // The subset's request names the inner split; the client's response names the outer split.
        let named = served(&answer);
        let of_v2 = ["a", "b"].contains(answer.body());
        assert_eq!((&*named.split, &*named.subset == "v2"), ("outer", of_v2));
        assert_eq!(answer.headers()[&header], *named.subset);
        *found.entry(answer.into_body()).or_default() += 1;
    }
    let near = |name, expected| found[name].abs_diff(expected) <= 50;
    assert!(
        near("v1", 1000) && near("a", 500) && near("b", 500),
        "{found:?}"
    );
    inner_handle.set_weights([("a", 0), ("b", 0)]).unwrap();
    outer.handle().set_weight("v1", 0).unwrap();
    let refused = answer(&mut outer, request());
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(served(&refused).reason, Reason::Weighted);
}
