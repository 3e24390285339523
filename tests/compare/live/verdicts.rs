//! Verdicts of running comparisons, and how people and tools read them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_mirror::{
    MirrorLayer, SampleRate,
    compare::{
        Accept, BaselineKind, Compare, CompareReport, DifferenceReport, Finding, Kind, Quantile,
        Rules, VerdictService,
    },
};

use super::rig::{App, Rig, get, json};

const V1: &str = r#"{"items": [1, 2]}"#;
const V2: &str = r#"{"items": [1, 2], "image": "x.png"}"#;

fn v1() -> App {
    App::constant(V1)
}

/// A few dozen requests decide.
fn compare(baseline: App) -> Compare {
    Compare::with_baseline(baseline).accept(Accept::excess(0.05).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_v2_that_is_v1_passes_and_the_text_says_so() {
    let rig = Rig::new(compare(v1()), v1(), v1());
    assert_eq!(rig.handle.verdict().as_str(), "inconclusive");
    let report = rig.ask_in_blocks(4, 10).await;
    assert_eq!(report.verdict.as_str(), "inconclusive", "{report}");
    assert!(report.to_string().contains(" to go, about "), "{report}");
    let missing = report.missing().unwrap();
    rig.ask_many(missing).await;
    let report = rig.settled().await;
    assert!(report.verdict.is_pass(), "{report}");
    assert!(report.to_string().contains(": PASS\n"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_added_field_fails_and_is_named() {
    let rig = Rig::new(compare(v1()), v1(), App::constant(V2));
    let report = rig.ask_in_blocks(20, 10).await;
    assert!(report.verdict.is_fail(), "{report}");
    let text = report.to_string();
    for part in [
        "GET /items",
        "/image added",
        ".expect(\"/image\", Kind::Added)",
        "FAIL",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Whatever comes later, until the reset.
    rig.handle.reset();
    let report = rig.settled().await;
    assert_eq!(
        (report.compared, report.verdict.as_str()),
        (0, "inconclusive")
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_failing_requests_have_in_common_is_named() {
    // v2 adds a field for one parameter, which one request in ten has.
    let v2 = App::at_once(|request| {
        let expands = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("expand"));
        json(if expands { V2 } else { V1 })
    });
    let rig = Rig::new(compare(v1()), v1(), v2);
    for at in 0..100 {
        let path = if at % 10 == 0 {
            "/items?page=2&expand=secret"
        } else {
            "/items?page=1"
        };
        let mut request = get(path);
        request
            .headers_mut()
            .insert("x-always", "1".parse().unwrap());
        rig.ask(request).await.unwrap();
        rig.handle.wait_idle().await;
    }
    let report = rig.settled().await;
    let text = report.to_string();
    assert!(
        text.contains("in common: query `expand` (10 of 10; 10 % of all)\n"),
        "{text}"
    );
    assert!(
        !text.contains("secret") && !text.contains("x-always"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slower_shadow_fails() {
    // From once to twice as long, in turn.
    let slow = |millis| {
        let requests = AtomicU64::new(0);
        App::new(move |_| {
            let at = requests.fetch_add(1, Relaxed) % 10;
            async move {
                // In paused time: exact, and no test waits for it.
                tokio::time::sleep(Duration::from_millis(millis + millis * at / 10)).await;
                Ok(json(V1))
            }
        })
    };
    let accept = || {
        Accept::excess(0.05)
            .unwrap()
            .latency(Quantile::P50, 1.25)
            .unwrap()
    };
    for (millis, is_fail) in [(10, false), (20, true)] {
        let compare = Compare::with_baseline(slow(10)).accept(accept());
        let rig = Rig::new(compare, v1(), slow(millis));
        let report = rig.ask_in_blocks(40, 20).await;
        assert_eq!(report.verdict.is_fail(), is_fail, "{millis} ms: {report}");
        assert_eq!(report.verdict.is_pass(), !is_fail, "{millis} ms: {report}");
        assert_eq!(
            report.to_string().contains(":slow p50"),
            is_fail,
            "{report}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fail_is_latched() {
    let requests = AtomicU64::new(0);
    let v2 = App::at_once(move |_| match requests.fetch_add(1, Relaxed) {
        0..200 => json(V2),
        _ => json(V1),
    });
    let rig = Rig::new(compare(v1()), v1(), v2);
    assert!(rig.ask_in_blocks(20, 10).await.verdict.is_fail());
    let report = rig.ask_in_blocks(5, 1000).await;
    assert!(!report.routes[0].evidence.is_fail(), "{report}");
    assert!(report.verdict.is_fail(), "{report}");
    assert!(report.failed_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_fail_is_found_without_a_look_at_the_report() {
    let requests = AtomicU64::new(0);
    let v2 = App::at_once(move |_| match requests.fetch_add(1, Relaxed) {
        0..200 => json(V2),
        _ => json(V1),
    });
    let rig = Rig::new(compare(v1()), v1(), v2);
    for (blocks, requests) in [(20, 10), (5, 1000)] {
        for _ in 0..blocks {
            rig.ask_many(requests).await;
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    }
    let report = rig.settled().await;
    assert!(!report.routes[0].evidence.is_fail(), "{report}");
    assert!(report.verdict.is_fail(), "{report}");
}

/// The report after 400 requests, of which one in four is for one of forty routes.
async fn of_a_long_tail(compare: Compare, v2: App) -> CompareReport {
    let mirror = MirrorLayer::builder(v2).route_label(|head| Some(head.uri.path().to_owned()));
    let layer = compare.warm_up(0).duty(1.0).layer(mirror).unwrap();
    for at in 0..400 {
        let path = match at % 4 {
            0 => format!("/rare/{}", at / 4 % 40),
            _ => "/items".into(),
        };
        let answering = tower::Layer::layer(&layer, v1()).oneshot(get(&path));
        let answer = answering.await.unwrap();
        answer.into_body().collect().await.unwrap();
        layer.handle().wait_idle().await;
    }
    let report = layer.handle().report();
    assert_eq!(report.routes.len(), 41);
    report
}

#[tokio::test(start_paused = true)]
async fn rare_routes_pass_together_where_that_is_wanted() {
    let report = of_a_long_tail(compare(v1()), v1()).await;
    assert_eq!(report.verdict.as_str(), "inconclusive", "{report}");
    let below = SampleRate::percent(5.0).unwrap();
    let report = of_a_long_tail(compare(v1()).pool_rare_routes(below), v1()).await;
    assert!(report.verdict.is_pass(), "{report}");

    // One in four of them differs.
    let v2 = App::at_once(|request| {
        let is_bad = request.uri().path().starts_with("/rare/3");
        json(if is_bad { V2 } else { V1 })
    });
    let report = of_a_long_tail(compare(v1()).pool_rare_routes(below), v2).await;
    assert!(!report.verdict.is_pass(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_expected_difference_is_counted_and_does_not_fail() {
    let rules = Rules::builder()
        .expect("/image", Kind::Added)
        .build()
        .unwrap();
    let rig = Rig::new(compare(v1()).rules(rules), v1(), App::constant(V2));
    let report = rig.ask_in_blocks(10, 10).await;
    assert!(report.verdict.is_pass(), "{report}");
    assert_eq!(report.routes[0].expected, 100, "{report}");
    assert!(report.to_string().contains("100 expected"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn no_order_of_the_copies_counts_against_a_side() {
    // The state changes between any two requests, and the later one sees the newer state.
    let world = Arc::new(AtomicU64::new(0));
    let app = || {
        let world = Arc::clone(&world);
        App::at_once(move |_| {
            let now = world.fetch_add(1, Relaxed);
            // Of the three numbers of a request, one falls to a side that is asked last.
            json(format!(r#"{{"last": {}}}"#, now % 3 == 2))
        })
    };
    let rig = Rig::of(app(), app(), app());
    for _ in 0..400 {
        rig.ask(get("/items")).await.unwrap();
        rig.handle.wait_idle().await;
    }
    let report = rig.settled().await;
    // The path has a coin of its own, also where it is masked as noise.
    let path = &report.routes[0].paths[0];
    let (shadow, baseline) = (path.shadow_only, path.baseline_only);
    assert_eq!(shadow + baseline, 400, "{report}");
    // Four standard deviations of 400 fair coins are 40.
    assert!(shadow.abs_diff(200) <= 50, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_pass_without_anything_judged_is_inconclusive() {
    // A text with a time in each answer: the bodies differ as wholes in every pair.
    let text = |name: &'static str| {
        let requests = AtomicU64::new(0);
        App::at_once(move |_| {
            let time = requests.fetch_add(1, Relaxed);
            let mut answer = json(format!("{name} at {time:>9}"));
            let text = "text/plain".parse().unwrap();
            answer.headers_mut().insert("content-type", text);
            answer
        })
    };
    let rig = Rig::new(compare(text("c")), text("a"), text("b"));
    let report = rig.ask_in_blocks(10, 20).await;
    assert_eq!(report.verdict.as_str(), "inconclusive", "{report}");
    assert_eq!(report.routes[0].not_judged, 200, "{report}");
    assert!(
        report.to_string().contains("nothing left to judge"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_by_the_shape_of_noisy_json_is_inconclusive() {
    // No two answers have the same number, whichever of them is asked first.
    let numbers = Arc::new(AtomicU64::new(0));
    let noisy = |rest: &'static str| {
        let numbers = Arc::clone(&numbers);
        App::at_once(move |_| {
            let number = numbers.fetch_add(1, Relaxed);
            json(format!(r#"{{"id": {number}{rest}}}"#))
        })
    };
    // Only the keys are the same. Then there is one value that v1 repeats, which is enough to judge.
    for (rest, verdict, not_judged) in [("", "inconclusive", 200), (r#", "name": "a""#, "pass", 0)]
    {
        let rig = Rig::new(compare(noisy(rest)), noisy(rest), noisy(rest));
        let report = rig.ask_in_blocks(10, 20).await;
        assert_eq!(report.verdict.as_str(), verdict, "{report}");
        assert_eq!(report.routes[0].not_judged, not_judged, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_noisy_path_of_v1_is_masked_and_listed() {
    // The baseline differs from the primary in every second request; the shadow never does.
    let baseline = App::counting(|at| format!(r#"{{"etag": {}}}"#, at % 2));
    let etag = || App::constant(r#"{"etag": 0}"#);
    let rig = Rig::of(etag(), etag(), baseline);
    rig.ask_many(20).await;
    let report = rig.settled().await;
    assert_eq!(report.noisy_paths.len(), 1, "{report}");
    let noisy = &report.noisy_paths[0];
    assert_eq!((noisy.path.as_str(), noisy.is_masked), ("/etag", true));
    assert!((noisy.share - 0.5).abs() < 0.01, "{report}");
    assert!(
        report.routes[0].tally.requests().baseline_only() < 5,
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_warm_up_is_compared_and_not_counted() {
    let layer = Compare::with_baseline(v1()).warm_up(7).duty(1.0);
    let layer = layer
        .layer(MirrorLayer::builder(App::constant(V2)))
        .unwrap();
    for _ in 0..10 {
        let answering = tower::Layer::layer(&layer, v1()).oneshot(get("/"));
        answering
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap();
    }
    layer.handle().wait_idle().await;
    let report = layer.handle().report();
    assert_eq!((report.warm_up, report.compared), (7, 3), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_in_process_baseline_is_named_in_the_report() {
    let rig = Rig::new(Compare::with_in_process_baseline(v1()), v1(), v1());
    let report = rig.report_of(get("/items")).await;
    assert_eq!(report.baseline, BaselineKind::InProcess);
    for text in [report.to_string(), report.to_json()] {
        assert!(text.contains("the error rate does not hold"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_notified_of_each_difference() {
    let rig = Rig::of(v1(), App::constant(V2), v1());
    let seen: Arc<Mutex<Vec<DifferenceReport>>> = Arc::default();
    let sink = Arc::clone(&seen);
    rig.handle
        .on_difference(move |difference| sink.lock().unwrap().push(difference.clone()));
    rig.ask_many(6).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 6);
    let last = &seen[5];
    assert_eq!((&*last.mirror, &*last.route), ("catalog-v2", "GET /items"));
    assert_eq!(last.finding, Finding::ShadowOnly);
    assert_eq!(last.shadow_only[0].to_string(), "/image added");
    assert_eq!(
        (last.primary, last.shadow),
        (StatusCode::OK, Some(StatusCode::OK))
    );
}

async fn verdict(rig: &Rig, method: Method, path: &str) -> (StatusCode, String) {
    let service = VerdictService::new(rig.handle.clone());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(())
        .unwrap();
    let answer = service.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn tools_read_the_verdict_over_http() {
    let undecided = Rig::new(compare(v1()), v1(), v1());
    undecided.ask_many(3).await;
    let passing = Rig::new(compare(v1()), v1(), v1());
    passing.ask_in_blocks(10, 20).await;
    let failing = Rig::new(compare(v1()), v1(), App::constant(V2));
    failing.ask_in_blocks(20, 10).await;

    for (rig, word, pass, fail) in [
        (&undecided, "inconclusive", 425, 409),
        (&passing, "pass", 200, 409),
        (&failing, "fail", 409, 200),
    ] {
        for method in [Method::GET, Method::POST] {
            let (status, body) = verdict(rig, method.clone(), "/admin/verdict").await;
            assert_eq!(status, 200);
            let report: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(report["schema"], "tower-mirror/verdict/1");
            assert_eq!(report["verdict"], word);
            assert!(report["compared"].is_u64());
            let (status, line) = verdict(rig, method.clone(), "/verdict/pass").await;
            assert_eq!(status, pass, "{word}");
            assert_eq!(line.lines().count(), 1, "{line}");
            let (status, _) = verdict(rig, method, "/verdict/fail").await;
            assert_eq!(status, fail, "{word}");
        }
    }
    assert_eq!(verdict(&passing, Method::GET, "/other").await.0, 404);
    assert_eq!(verdict(&passing, Method::DELETE, "/verdict").await.0, 405);
}

#[tokio::test(start_paused = true)]
async fn the_json_has_what_the_report_has() {
    let v2 = App::new(async |_| {
        // In paused time.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(json(V2))
    });
    let rig = Rig::new(compare(v1()), v1(), v2);
    let report = rig.ask_in_blocks(20, 10).await;
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["mirror"], "catalog-v2");
    assert_eq!(json["verdict"], "fail");
    assert_eq!(json["inconclusive_because"], Value::Null);
    assert_eq!(json["compared"], 200);
    assert_eq!(json["baseline"], "service");
    assert_eq!(json["tolerated"]["excess"], 0.05);
    assert!(json["since"].is_f64());
    let route = &json["routes"][0];
    assert_eq!(route["route"], "GET /items");
    assert_eq!(
        (&route["shadow_only"], &route["baseline_only"]),
        (&200.into(), &0.into())
    );
    assert_eq!(route["blocks"]["shadow_only"], 20);
    assert!(route["evidence"]["above"].as_f64().unwrap() > 3.0);
    assert!((0.02..0.03).contains(&route["p99_seconds"]["shadow"].as_f64().unwrap()));
    let path = &route["paths"][0];
    assert_eq!(
        (&path["path"], &path["kind"]),
        (&"/image".into(), &"added".into())
    );
}
