//! No value of a request or an answer is in anything that the comparison shows.

use std::{
    fmt::{Debug, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::{Layer, Service, ServiceExt};
use tower_mirror::{
    compare::{Compare, DifferenceReport, Rules, VerdictService},
    metrics::{record_compare, record_mirror},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{layer::Context, prelude::*};

use super::rig::{App, Rig, get, json};

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

/// Everything that this process logs at any level, also on the comparing thread: the fields of spans and events.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Log;

/// Fields of the span and the event that a mirror has for each copy, also without a comparison. OpenTelemetry defines the first two,
/// and the last one is the text of the shadow's own error.
const OF_THE_MIRROR: [&str; 3] = ["url.path", "http.request.method_original", "error"];

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if OF_THE_MIRROR.contains(&field.name()) {
            return;
        }
        let mut log = LOG.lock().unwrap();
        writeln!(log, "{field}={value:?}").unwrap();
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        span.record(&mut Log);
    }

    fn on_record(&self, _: &Id, record: &Record<'_>, _: Context<'_, S>) {
        record.record(&mut Log);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Log);
    }
}

/// Bodies of each kind that the comparison reads, with the canary in names and values. `{}` differs in each answer.
const BODIES: [(&str, &str); 6] = [
    (
        "application/json",
        r#"{"hunter2{}": "hunter2", "items": [{"hunter2{}": 1}], "name": "hunter2{}"}"#,
    ),
    (
        "application/x-ndjson",
        "{\"hunter2{}\": 1}\n\"hunter2{}\"\n",
    ),
    (
        "text/event-stream",
        "event: hunter2{}\nid: hunter2{}\ndata: {\"hunter2{}\": \"hunter2{}\"}\n\n",
    ),
    (
        "multipart/mixed; boundary=hunter2",
        "--hunter2\r\ncontent-disposition: form-data; name=\"hunter2{}\"\r\n\r\nhunter2{}\r\n--hunter2--\r\n",
    ),
    ("text/plain; charset=hunter2", "hunter2{}"),
    ("application/hunter2", "hunter2{}"),
];

/// Answers with a body of each kind in turn. Now and then it fails, also with the canary in the error.
fn turns(version: u32) -> App {
    let requests = AtomicU64::new(0);
    App::new(move |_| {
        let at = requests.fetch_add(1, Relaxed);
        let (kind, body) = BODIES[at as usize % BODIES.len()];
        let mut answer = json(body.replace("{}", &format!("{at}v{version}")));
        let headers = answer.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(kind));
        let cookie = format!("hunter2{at}v{version}=hunter2; Path=/hunter2");
        headers.insert("set-cookie", HeaderValue::try_from(cookie).unwrap());
        let fails = version == 2 && at % 10 == 9;
        async move {
            match fails {
                true => Err(format!("hunter2 {at}").into()),
                false => Ok(answer),
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_logged_or_exported_has_a_value() {
    // It can be set once in a process, and the comparing thread has no other one.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Log));
    let recorder = PrometheusBuilder::new().build_recorder();
    let rig = Rig::new(Compare::with_baseline(turns(3)), turns(1), turns(2));
    for at in 0..60 {
        // Each of these names comes once, as an identifier does.
        let uri = format!("/items/hunter2?hunter2p{at}=hunter2&token=hunter2");
        let mut request = get(&uri);
        let headers = request.headers_mut();
        let name = HeaderName::try_from(format!("x-hunter2-{at}")).unwrap();
        headers.insert(name, HeaderValue::from_static(CANARY));
        headers.insert("cookie", HeaderValue::from_static("hunter2=hunter2"));
        headers.insert("host", HeaderValue::from_static("catalog"));
        rig.ask(request).await.unwrap();
        rig.handle.wait_idle().await;
    }
    let report = rig.settled().await;
    assert!(report.compared > 40, "{report}");
    assert!(report.routes[0].paths.len() > BODIES.len(), "{report}");
    hides(&report.to_string());
    hides(&report.to_json());
    hides(&format!("{report:?}"));

    metrics::with_local_recorder(&recorder, || {
        record_compare(&rig.handle);
        record_mirror(&rig.layer.mirror());
    });
    let exported = recorder.handle().render();
    assert!(
        exported.contains("tower_mirror_compared_total"),
        "{exported}"
    );
    hides(&exported);

    let log = LOG.lock().unwrap().clone();
    assert!(log.contains("catalog-v2"), "{log}");
    hides(&log);
}
