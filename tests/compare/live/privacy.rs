//! No value of a request or an answer is in anything that the comparison shows.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
use tower_mirror::compare::{Compare, DifferenceReport, Rules, VerdictService};

use super::rig::{App, Rig, json};

/// In bodies, header values, queries, cookies, paths, identifiers, methods and rare keys alike.
const CANARY: &str = "hunter2";

#[track_caller]
fn hides(shown: &str) {
    assert!(!shown.to_lowercase().contains(CANARY), "{shown}");
    // As a list of numbers.
    assert!(!shown.contains("104, 117, 110"), "{shown}");
}

fn app(version: u32) -> App {
    let requests = AtomicU64::new(0);
    App::at_once(move |_| {
        let at = requests.fetch_add(1, Relaxed);
        // Each of these keys is in one answer, as an identifier is.
        let mut answer = json(format!(
            r#"{{"token": "hunter2-{version}", "hunter2x{at}y{version}": 1, "a@hunter2": {version}}}"#
        ));
        let headers = answer.headers_mut();
        let value = |text: String| HeaderValue::try_from(text).unwrap();
        headers.insert(
            "set-cookie",
            value(format!(
                "session=hunter2-{version}; Path=/hunter2-{version}"
            )),
        );
        headers.insert("location", value(format!("/hunter2-{version}")));
        headers.insert("x-user", value(format!("hunter2-{version}")));
        answer
    })
}

fn request() -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::from_bytes(b"HUNTER2").unwrap())
        .uri("/items/hunter2?token=hunter2")
        .header("authorization", CANARY)
        .header("cookie", "a=hunter2")
        .header("traceparent", "00-hunter2")
        .body(Full::from(CANARY))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_has_a_value() {
    let rules = Rules::builder()
        .headers(["location", "x-user"])
        .build()
        .unwrap();
    let compare = Compare::with_baseline(app(3))
        .rules(rules)
        .methods([request().method().clone()]);
    hides_unless_named(&format!("{compare:?}"));
    let rig = Rig::new(compare, app(1), app(2));
    let seen: Arc<Mutex<Vec<DifferenceReport>>> = Arc::default();
    let sink = Arc::clone(&seen);
    rig.handle
        .on_difference(move |difference| sink.lock().unwrap().push(difference.clone()));

    let primary = app(1);
    for _ in 0..30 {
        let mut service = rig.layer.layer(primary.clone());
        let answering = service.call(request());
        let answer = answering.await.unwrap();
        hides(&format!("{:?}", answer.body()));
        answer.into_body().collect().await.unwrap();
        rig.handle.wait_idle().await;
    }
    let report = rig.settled().await;
    assert_eq!(report.compared, 30, "{report}");
    assert!(report.routes[0].paths.len() > 3, "{report}");
    hides(&report.to_string());
    hides(&report.to_json());
    hides(&format!("{report:?}"));
    hides(&report.one_line());
    let shown = format!("{:?}", seen.lock().unwrap());
    assert!(shown.contains("finding"));
    hides(&shown);

    let service = VerdictService::new(rig.handle.clone());
    for path in ["/verdict", "/verdict/pass", "/verdict/fail", "/hunter2"] {
        let answer = service
            .clone()
            .oneshot(Request::get(path).body(()).unwrap())
            .await
            .unwrap();
        hides(&format!("{answer:?}"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        hides(std::str::from_utf8(&body).unwrap());
    }
    // What the operator has named, the method, is no value of a request.
    hides_unless_named(&format!("{:?} {:?}", rig.layer, rig.handle));
}

/// The settings show the method that was named to be compared.
#[track_caller]
fn hides_unless_named(shown: &str) {
    hides(&shown.replace("HUNTER2", ""));
}
