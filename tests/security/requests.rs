//! The effects that a request, or a response of the shadow, can have on the mirror.

use std::time::Duration;

use axum::{Router, response::Redirect};
use bytes::Bytes;
use http::{HeaderName, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tokio::time::timeout;
use tower::{ServiceExt, service_fn};
use tower_mirror::{BoxError, HttpTarget, MirrorLayer, Outcome, ShadowBody};

use tower_mirror_testing::*;

/// Sends a request and reads the response.
pub(crate) async fn send(target: &HttpTarget, path: &str) -> StatusCode {
    let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
    let answer = timeout(net::HANG, target.clone().oneshot(request)).await;
    let (head, body) = answer.unwrap().unwrap().into_parts();
    body.collect().await.unwrap();
    head.status
}

fn target(address: std::net::SocketAddr) -> HttpTarget {
    HttpTarget::new(&format!("http://{address}")).unwrap()
}

#[tokio::test]
async fn two_mirrors_of_each_other_end() {
    for marks in [["x-mirrored-by"; 2], ["x-one", "x-other"]] {
        let ((one, at_one), (other, at_other)) = (net::listen().await, net::listen().await);
        let mut handles = Vec::new();
        for (listener, shadow, mark) in [(one, at_other, marks[0]), (other, at_one, marks[1])] {
            let mark = HeaderName::from_static(mark);
            let mirror = MirrorLayer::builder(target(shadow)).mark(mark).build();
            handles.push(mirror.handle());
            let app = Router::new().fallback(async || "served").layer(mirror);
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        }
        assert_eq!(send(&target(at_one), "/").await, StatusCode::OK);
        // A copy ends when its response has been received, so the mirrors cannot be idle too early.
        for handle in [&handles[0], &handles[1], &handles[0]] {
            timeout(net::HANG, handle.wait_idle()).await.unwrap();
        }
        let admitted: u64 = handles.iter().map(|handle| handle.stats().admitted()).sum();
        assert!(admitted <= 2, "{marks:?}: {admitted} copies of one request");
    }
}

#[tokio::test]
async fn a_shadow_cannot_send_the_mirror_elsewhere() {
    let (victim, elsewhere) = net::listen().await;
    let redirect = async move || Redirect::temporary(&format!("http://{elsewhere}/"));
    let shadow = net::serve(Router::new().fallback(redirect)).await;
    let mirror = MirrorLayer::new(target(shadow));
    let handle = mirror.handle();
    let address = net::serve(Router::new().fallback(async || "primary").layer(mirror)).await;

    for _ in 0..3 {
        assert_eq!(send(&target(address), "/").await, StatusCode::OK);
    }
    timeout(net::HANG, handle.wait_idle()).await.unwrap();
    assert_eq!(
        handle.stats().outcome(Outcome::Completed),
        3,
        "{}",
        handle.stats()
    );
    victim
        .into_std()
        .unwrap()
        .accept()
        .expect_err("a connection was opened");
}

#[tokio::test(start_paused = true)]
async fn silent_uploads_cost_copies_for_a_while_and_the_primary_nothing() {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = MirrorLayer::builder(shadow.share())
        .max_in_flight(2)
        .capture_timeout(Duration::from_secs(30))
        .build();
    let handle = mirror.handle();
    let silent: Vec<_> = (0..2)
        .map(|_| {
            let (mirror, primary) = (mirror.clone(), primary.clone());
            let upload = post(Script::new([Step::Hang]));
            tokio::spawn(async move { serve(&mirror, &primary, upload).await })
        })
        .collect();
    while handle.stats().in_flight() < 2 {
        tokio::task::yield_now().await;
    }
    serve(&mirror, &primary, get()).await.expect("an answer");
    assert_eq!(handle.stats().outcome(Outcome::InFlightLimit), 1);

    tokio::time::advance(Duration::from_secs(31)).await;
    handle.wait_idle().await;
    serve(&mirror, &primary, get()).await.expect("an answer");
    let stats = settled(&handle, 4).await;
    assert_eq!(stats.outcome(Outcome::TimedOut), 2, "{stats}");
    assert_eq!(stats.outcome(Outcome::Completed), 1, "{stats}");
    silent.iter().for_each(tokio::task::JoinHandle::abort);
}

/// An error is one line, for any text that the other side has put into it.
#[tokio::test(start_paused = true)]
async fn an_error_is_one_line_in_a_log() {
    let observer = RecordingObserver::default();
    let failing = service_fn(async |_: Request<ShadowBody>| {
        Err::<http::Response<String>, BoxError>("bad\r\n[info] forged \u{1b}[2J".into())
    });
    let mirror = MirrorLayer::builder(failing)
        .observe_with(observer.clone())
        .build();
    let answer = serve(&mirror, &Primary::reading(), get()).await;
    answer.expect("an answer");
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::FailedService);
    let error = observer.report().shadow.error.expect("an error");
    assert!(
        error.contains("forged") && !error.contains(char::is_control),
        "{error:?}"
    );
}
