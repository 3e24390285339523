//! What happens in each special case of a request or an answer.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceExt};
use tower_mirror::{
    BodyMode, BoxError, MirrorLayer, Outcome, SampleRate, ShadowBody,
    compare::{Accept, Compare, CompareError, DropReason, Quantile},
};
use tower_mirror_testing::{Script, Step};

use super::rig::{AnyBody, App, Rig, assert_differs, assert_dropped, full, get, json, status};

const V1: &str = r#"{"items": [1, 2]}"#;

fn v1() -> App {
    App::constant(V1)
}

/// A body of these frames that then goes on as the stream says.
fn body<S>(frames: &[&'static str], rest: S) -> AnyBody
where
    S: stream::Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static,
{
    let frames = frames
        .iter()
        .map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
    let frames: Vec<_> = frames.collect();
    StreamBody::new(stream::iter(frames).chain(rest)).boxed_unsync()
}

fn cut() -> App {
    App::at_once(|_| {
        let broken = stream::once(async { Err::<Frame<Bytes>, BoxError>("broken".into()) });
        json("").map(|_| body(&["{"], broken))
    })
}

fn endless() -> App {
    App::at_once(|_| json("").map(|_| body(&["{"], stream::pending())))
}

fn of_length(bytes: usize) -> App {
    App::at_once(move |_| json(vec![b' '; bytes]))
}

#[tokio::test(start_paused = true)]
async fn equal_answers_are_compared_and_do_not_differ() {
    let rig = Rig::of(v1(), v1(), v1());
    let report = rig.report_of(get("/items")).await;
    assert_differs(&report, &[]);
    assert!(report.not_compared.is_empty(), "{report}");
    assert_eq!(&*report.routes[0].route, "GET /items");
    assert_eq!(
        rig.layer
            .baseline()
            .unwrap()
            .stats()
            .outcome(Outcome::Completed),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_and_a_value_differ_at_their_paths() {
    let v2 = App::constant(r#"{"items": [1, 3]}"#);
    let report = Rig::of(v1(), v2, v1()).report_of(get("/items")).await;
    assert_differs(&report, &["/{key}/* value"]);
    let v2 = App::at_once(|_| status(404));
    let report = Rig::of(v1(), v2, v1()).report_of(get("/items")).await;
    let paths = &report.routes[0].paths;
    assert!(paths.iter().any(|path| path.path == ":status"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn what_differs_in_the_baseline_too_is_cancelled() {
    let other = || App::constant(r#"{"items": [1, 9]}"#);
    let report = Rig::of(v1(), other(), other())
        .report_of(get("/items"))
        .await;
    assert_differs(&report, &[]);
    assert_eq!(report.routes[0].both, 1, "{report}");
    assert_eq!(report.noisy_paths.len(), 1, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_difference_of_the_baseline_does_not_count_against_the_shadow() {
    let report = Rig::of(v1(), v1(), App::constant("{}"))
        .report_of(get("/items"))
        .await;
    assert_differs(&report, &[]);
    assert_eq!(
        report.routes[0].tally.requests().baseline_only(),
        1,
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_baseline_every_difference_is_the_shadows() {
    let rig = Rig::new(Compare::alone(), v1(), App::constant("{}"));
    let report = rig.report_of(get("/items")).await;
    assert_differs(&report, &["/{key} removed"]);
    assert!(rig.layer.baseline().is_none());
    assert!(
        report.to_string().contains("there is no baseline"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_conditional_or_ranged_request_is_not_compared() {
    for name in [
        "if-none-match",
        "if-modified-since",
        "if-match",
        "if-unmodified-since",
        "if-range",
        "range",
    ] {
        let rig = Rig::of(v1(), v1(), v1());
        let mut request = get("/items");
        request.headers_mut().insert(name, "x".parse().unwrap());
        assert_dropped(&rig.report_of(request).await, DropReason::Conditional);
        // It is mirrored all the same, and the baseline is spared.
        assert_eq!(rig.layer.mirror().stats().outcome(Outcome::Completed), 1);
        assert_eq!(rig.layer.baseline().unwrap().stats().requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_on_any_side_drops_the_request() {
    let not_modified = || App::at_once(|_| status(304));
    for rig in [
        Rig::of(not_modified(), v1(), v1()),
        Rig::of(v1(), not_modified(), v1()),
        Rig::of(v1(), v1(), not_modified()),
    ] {
        assert_dropped(&rig.report_of(get("/items")).await, DropReason::Conditional);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_primary_refuses_is_not_compared() {
    for refusal in [429, 503] {
        let primary = App::at_once(move |_| status(refusal));
        let report = Rig::of(primary, v1(), v1()).report_of(get("/items")).await;
        assert_dropped(&report, DropReason::PrimaryRefused);
    }
    // Only the primary's refusal is a matter of its limiter.
    let refusing = || App::at_once(|_| status(503));
    let report = Rig::of(v1(), refusing(), v1())
        .report_of(get("/items"))
        .await;
    assert_eq!(
        report.routes[0].tally.requests().shadow_only(),
        1,
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_fails_is_not_compared() {
    let report = Rig::of(App::failing(), v1(), v1())
        .report_of(get("/items"))
        .await;
    assert_dropped(&report, DropReason::PrimaryFailed);
    let report = Rig::of(cut(), v1(), v1()).report_of(get("/items")).await;
    assert_dropped(&report, DropReason::PrimaryFailed);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_takes_its_request_along() {
    // Before the answer.
    let rig = Rig::of(App::new(|_| pending()), v1(), v1());
    let asked = tokio::time::timeout(Duration::from_secs(1), rig.ask(get("/items"))).await;
    assert!(asked.is_err());
    assert_dropped(&rig.settled().await, DropReason::ClientGone);
    // In the middle of it.
    let rig = Rig::of(endless(), v1(), v1());
    let answering = rig.layer.layer(endless()).oneshot(get("/items"));
    let mut answer = answering.await.unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    drop(answer);
    assert_dropped(&rig.settled().await, DropReason::ClientGone);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_declared_length_need_not_be_asked_for_its_end() {
    // It says how many bytes are left, and not that it has ended.
    let declared = || {
        App::at_once(|_| {
            let data = [Step::Data(V1.into())];
            let body = Script::new(data).knowing_length();
            json("").map(|_| body.map_err(Into::into).boxed_unsync())
        })
    };
    let rig = Rig::of(v1(), v1(), v1());
    let answering = rig.layer.layer(declared()).oneshot(get("/items"));
    let mut answer = answering.await.unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    drop(answer);
    assert_differs(&rig.settled().await, &[]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_above_the_cap_is_the_primarys_or_a_difference() {
    let compare = || Compare::with_baseline(v1()).max_answer_bytes(1000);
    let rig = Rig::new(compare(), of_length(1001), v1());
    assert_dropped(&rig.report_of(get("/items")).await, DropReason::TooLarge);
    let rig = Rig::new(compare(), v1(), of_length(1001));
    assert_differs(&rig.report_of(get("/items")).await, &[":too long length"]);
    // Above the cap of the mirror, its client stops to read.
    let mirror = MirrorLayer::builder(of_length(1001)).max_response_bytes(1000);
    let rig = Rig::with(Compare::with_baseline(v1()), v1(), mirror);
    let report = rig.report_of(get("/items")).await;
    assert_differs(&report, &[":too long length"]);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_without_a_whole_answer_differs() {
    for (v2, expected) in [
        (App::failing(), ":no answer removed"),
        (App::new(|_| pending()), ":no answer removed"),
        (
            App::new(async |_| panic!("a panic of the shadow, as scripted")),
            ":no answer removed",
        ),
        (cut(), ":cut removed"),
        (endless(), ":cut removed"),
    ] {
        let report = Rig::of(v1(), v2.clone(), v1())
            .report_of(get("/items"))
            .await;
        assert_differs(&report, &[expected]);
        // The same of the baseline counts against the baseline.
        let report = Rig::of(v1(), v1(), v2.clone())
            .report_of(get("/items"))
            .await;
        assert_eq!(
            report.routes[0].tally.requests().baseline_only(),
            1,
            "{report}"
        );
        // And of both it is cancelled, and nothing is judged.
        let report = Rig::of(v1(), v2.clone(), v2).report_of(get("/items")).await;
        assert_differs(&report, &[]);
        let route = &report.routes[0];
        assert_eq!((route.both, route.not_judged), (1, 1), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_on_all_sides_is_a_stream() {
    let rig = Rig::of(endless(), endless(), endless());
    let answering = rig.layer.layer(endless()).oneshot(get("/items"));
    let mut answer = answering.await.unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    rig.layer.mirror().wait_idle().await;
    // Nothing of the answer is held any longer, while the client still reads it.
    assert_eq!(rig.handle.held_bytes(), 0);
    drop(answer);
    assert_dropped(&rig.settled().await, DropReason::Streaming);
}

#[tokio::test(start_paused = true)]
async fn a_head_request_has_no_body() {
    let head = || Request::head("/items").body(Full::default()).unwrap();
    let report = Rig::of(v1(), App::constant("{}"), v1())
        .report_of(head())
        .await;
    assert_differs(&report, &[]);
    assert_eq!(report.routes[0].both, 0, "{report}");
    let v2 = App::at_once(|_| status(500));
    let report = Rig::of(
        App::at_once(|_| status(200)),
        v2,
        App::at_once(|_| status(200)),
    );
    assert_differs(&report.report_of(head()).await, &[":status value"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_content_is_compared() {
    let empty = || App::at_once(|_| status(204));
    let report = Rig::of(empty(), empty(), empty())
        .report_of(get("/items"))
        .await;
    assert_differs(&report, &[]);
}

#[tokio::test(start_paused = true)]
async fn unsafe_methods_are_compared_where_they_are_named() {
    let post = || Request::post("/items").body(Full::from("new")).unwrap();
    let rig = Rig::of(v1(), v1(), v1());
    assert_dropped(&rig.report_of(post()).await, DropReason::Method);
    assert_eq!(rig.layer.mirror().stats().outcome(Outcome::Completed), 1);

    // Each side gets the whole body.
    let echo = || App::at_once(|request| json(format!("{:?}", request.body())));
    let compare = Compare::with_baseline(echo()).methods([Method::POST]);
    let rig = Rig::new(compare, echo(), echo());
    let report = rig.report_of(post()).await;
    assert_differs(&report, &[]);
    assert_eq!(report.routes[0].both, 0, "{report}");
    assert_eq!(
        report.routes[0].tally.requests().baseline_only(),
        0,
        "{report}"
    );
    assert_eq!(&*report.routes[0].route, "POST /items");
    let baseline = rig.layer.baseline().unwrap();
    assert_eq!(baseline.stats().outcome(Outcome::Completed), 1);
}

/// A service that is never ready.
#[derive(Clone)]
struct NeverReady;

impl tower::Service<Request<ShadowBody>> for NeverReady {
    type Response = Response<AnyBody>;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Response<AnyBody>, BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Pending
    }

    fn call(&mut self, _: Request<ShadowBody>) -> Self::Future {
        pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_does_not_wait_long_for_the_other_one() {
    let rig = Rig::new(Compare::with_baseline(NeverReady), v1(), v1());
    let report = rig.report_of(get("/items")).await;
    assert_eq!(
        report.routes[0].tally.requests().baseline_only(),
        1,
        "{report}"
    );
    assert_eq!(rig.layer.mirror().stats().outcome(Outcome::Completed), 1);
    let rig = Rig::with(
        Compare::with_baseline(v1()),
        v1(),
        MirrorLayer::builder(NeverReady),
    );
    let report = rig.report_of(get("/items")).await;
    assert_differs(&report, &[":no answer removed"]);
    let baseline = rig.layer.baseline().unwrap().stats();
    assert_eq!(baseline.outcome(Outcome::Completed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_mirrored_requests_is_compared() {
    let compare = Compare::with_baseline(v1()).share(SampleRate::NONE);
    let rig = Rig::new(compare, v1(), v1());
    assert_dropped(&rig.report_of(get("/items")).await, DropReason::Share);
    assert_eq!(rig.layer.baseline().unwrap().stats().requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_not_compared() {
    let rig = Rig::of(v1(), v1(), v1());
    let mut request = get("/chat");
    request
        .headers_mut()
        .insert("upgrade", "chat".parse().unwrap());
    request
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    assert_dropped(&rig.report_of(request).await, DropReason::Upgrade);
    // An upgrade for which no client asked is dropped too.
    let rig = Rig::of(App::at_once(|_| status(101)), v1(), v1());
    assert_dropped(&rig.report_of(get("/chat")).await, DropReason::Upgrade);
}

#[tokio::test(start_paused = true)]
async fn copies_ask_for_answers_without_an_encoding() {
    let echo = || {
        App::at_once(|request| {
            let accept = request.headers().get("accept-encoding");
            json(format!("{accept:?}").replace('"', "'"))
        })
    };
    let primary = App::at_once(|request| {
        assert_eq!(request.headers()["accept-encoding"], "gzip");
        json(r#"Some('identity')"#)
    });
    let rig = Rig::of(primary, echo(), echo());
    let mut request = get("/items");
    let gzip = "gzip".parse().unwrap();
    request.headers_mut().insert("accept-encoding", gzip);
    rig.ask(request).await.unwrap();
    let report = rig.settled().await;
    assert_differs(&report, &[]);
    assert_eq!(report.routes[0].both, 0, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_drops_what_is_under_way() {
    let hanging = || App::new(|_| pending());
    let rig = Rig::of(v1(), hanging(), hanging());
    rig.ask(get("/items")).await.unwrap();
    // In paused time, when both copies are under way.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let drained = rig.layer.mirror().drain(Duration::from_secs(1)).await;
    assert_eq!((drained.aborted, drained.left), (2, 0));
    assert_dropped(&rig.settled().await, DropReason::Aborted);
}

#[tokio::test(start_paused = true)]
async fn a_reset_drops_what_is_under_way() {
    let slow = || {
        App::new(async |_| {
            // In paused time.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(json(V1))
        })
    };
    let rig = Rig::of(v1(), slow(), slow());
    rig.ask(get("/items")).await.unwrap();
    rig.handle.reset();
    assert_dropped(&rig.settled().await, DropReason::Reset);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_the_mirror_cannot_make_counts_for_neither_side() {
    // The primary leaves the body, so there is no copy of it.
    let primary = Leaving;
    let compare = Compare::with_baseline(v1()).methods([Method::POST]);
    let rig = Rig::new(compare, v1(), v1());
    let request = Request::post("/items").body(Full::from("new")).unwrap();
    let answer = rig.layer.layer(primary).oneshot(request).await.unwrap();
    answer.into_body().collect().await.unwrap();
    assert_dropped(&rig.settled().await, DropReason::RequestLost);
}

/// Answers without a look at the request.
#[derive(Clone)]
struct Leaving;

impl<B> tower::Service<Request<B>> for Leaving {
    type Response = Response<AnyBody>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<AnyBody>, BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(Response::new(full("left"))))
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let mirror = || MirrorLayer::builder(v1());
    for duty in [0.0, -1.0, 1.1, f64::NAN] {
        let error = Compare::alone().duty(duty).layer(mirror()).unwrap_err();
        assert!(matches!(error, CompareError::Duty { .. }), "{error}");
        assert!(error.to_string().contains("at most 1"), "{error}");
    }
    let compare = Compare::with_in_process_baseline(v1()).methods([Method::PUT]);
    let error = compare.layer(mirror()).unwrap_err();
    assert!(error.to_string().contains("PUT is not safe"), "{error}");
    let accept = Accept::excess(0.0).unwrap();
    let error = Compare::alone().accept(accept).layer(mirror()).unwrap_err();
    assert!(matches!(error, CompareError::NothingTolerated), "{error}");
    let accept = Accept::excess(0.01)
        .unwrap()
        .latency(Quantile::P99, 1.25)
        .unwrap();
    let error = Compare::alone().accept(accept).layer(mirror()).unwrap_err();
    assert!(matches!(error, CompareError::LatencyAlone), "{error}");
    let streaming = || mirror().body_mode(BodyMode::Streaming);
    let error = Compare::with_baseline(v1()).layer(streaming()).unwrap_err();
    assert!(matches!(error, CompareError::StreamedBodies), "{error}");
    assert!(Compare::alone().layer(streaming()).is_ok());
}
