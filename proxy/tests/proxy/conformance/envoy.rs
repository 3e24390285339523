//! Envoy's `ShadowPolicyIntegrationTest`, as far as it makes sense for a layer, in both modes that
//! copy bodies. Its cases 21 and 22, inverted, need a full TCP window: see `sockets.rs` and
//! `stream_sockets.rs`. Those of connections, clusters and filters have nothing here to test.

use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};
use tower_mirror::{BodyMode, BoxError, MirrorBuilder, MirrorLayer, Outcome, ShadowBody, TeeBody};

use tower_mirror_testing::*;

/// One case: how both sides behave, what is sent, what the client gets, what becomes of the copy.
struct Case {
    name: &'static str,
    body: Script,
    primary: (Reads, Then),
    shadow: Act,
    /// The client's status; `None` for an error, or where the client goes first.
    answer: Option<u16>,
    outcome: Outcome,
    /// Whether the shadow has the whole body.
    is_whole: bool,
}

fn cases() -> Vec<Case> {
    let ok = (Reads::All, Then::Answers(200));
    let five = || Script::chunks([5]);
    let case = |name, body, primary, shadow, answer, outcome, is_whole| Case {
        name,
        body,
        primary,
        shadow,
        answer,
        outcome,
        is_whole,
    };
    let hanging = five().then(Step::Hang);
    let two = || Script::chunks([5, 5]);
    let reset = Act::Fails(Place::Future, Fault::Io(ErrorKind::ConnectionReset));
    let fails = (Reads::Frames(1), Then::Fails);
    vec![
        case(
            "10 Basic",
            two(),
            ok,
            Act::Answers(200),
            Some(200),
            Outcome::Completed,
            true,
        ),
        case(
            "12 DownstreamReset",
            hanging,
            ok,
            Act::Answers(200),
            None,
            Outcome::ClientAborted,
            false,
        ),
        case(
            "13 MainUpstreamReset",
            two(),
            fails,
            Act::Answers(200),
            None,
            Outcome::Unread,
            false,
        ),
        case(
            "14 ShadowUpstreamReset",
            two(),
            ok,
            reset,
            Some(200),
            Outcome::FailedTransport,
            false,
        ),
        case(
            "16 LateDownstreamTimeout",
            five(),
            (Reads::All, Then::Hangs),
            Act::Answers(200),
            None,
            Outcome::Completed,
            true,
        ),
        case(
            "17 ShadowOnlyTimeout",
            five(),
            ok,
            Act::Hangs(Place::Future),
            Some(200),
            Outcome::TimedOut,
            false,
        ),
        case(
            "29 OriginalClusterWithLocalReply",
            five(),
            (Reads::All, Then::Answers(400)),
            Act::Answers(200),
            Some(400),
            Outcome::Completed,
            true,
        ),
        case(
            "30 MirrorClusterWithLocalReply",
            five(),
            ok,
            Act::Answers(400),
            Some(200),
            Outcome::Completed,
            true,
        ),
    ]
}

async fn check(case: Case, mode: BodyMode) {
    let name = format!("{} {mode:?}", case.name);
    let shadow = TestShadow::new(case.shadow);
    let mirror = MirrorLayer::builder(shadow.share()).body_mode(mode).build();
    let primary = Primary::new(case.primary.0, case.primary.1);
    let before = tokio::time::Instant::now();
    // The client's patience, of which only a client that goes first needs any.
    let answer = serve(&mirror, &primary, post(case.body));
    let answer = tokio::time::timeout(Duration::from_secs(1), answer).await;
    let status = answer
        .ok()
        .and_then(Result::ok)
        .map(|answer| answer.status().as_u16());
    assert_eq!(status, case.answer, "{name}");
    if status.is_some() {
        assert_eq!(
            before.elapsed(),
            Duration::ZERO,
            "{name}: the client waited"
        );
    }
    assert_only(&settled(&mirror.handle(), 1).await, case.outcome);
    let whole = shadow
        .copies()
        .iter()
        .filter(|copy| copy.stream.end == End::Whole)
        .count();
    assert_eq!(whole, usize::from(case.is_whole), "{name}");
}

#[tokio::test(start_paused = true)]
async fn cases_10_to_17_29_and_30() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        for case in cases() {
            check(case, mode).await;
        }
    }
}

/// 19 ShadowRequestOverBufferLimit, and 20 with a limit of nothing; 18 has no counterpart, since
/// the primary's limits are its own.
#[tokio::test(start_paused = true)]
async fn cases_19_and_20() {
    for limit in [9, 0] {
        let limited = |mirror: MirrorBuilder| mirror.max_body_bytes(limit).build();
        let shadow = TestShadow::recording();
        let mirror = limited(MirrorLayer::builder(shadow.share()));
        let primary = Primary::reading();
        let answer = serve(&mirror, &primary, post(Script::chunks([5, 5]))).await;
        assert_eq!(answer.expect("an answer").status(), 200);
        assert_eq!(primary.one().1.bytes().len(), 10);
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::TooLarge);
        assert!(shadow.copies().is_empty());
    }
}

/// 27 and 28: a layer that changes the body on one side does not affect the other side.
#[tokio::test]
async fn cases_27_and_28() {
    fn doubled<B>(request: Request<B>) -> Request<axum::body::Body>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let doubled = |data: Bytes| Bytes::from([&data[..], &data[..]].concat());
        let mut request = request.map(|body| {
            axum::body::Body::new(body.map_frame(move |frame| frame.map_data(doubled)))
        });
        request.headers_mut().insert("content-length", 10.into());
        request
    }
    type Side = (usize, HeaderValue);
    fn of(head: &HeaderMap, length: usize) -> Side {
        (length, head["content-length"].clone())
    }

    for is_primary in [true, false] {
        for mode in [BodyMode::Buffered, BodyMode::Streaming] {
            let (sender, mut received) = tokio::sync::mpsc::unbounded_channel::<Side>();
            let shadow = tower::service_fn(move |request: Request<axum::body::Body>| {
                let sender = sender.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let length = body.collect().await?.to_bytes().len();
                    let _ = sender.send(of(&head.headers, length));
                    Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
                }
            });
            let shadow = tower::ServiceBuilder::new()
                .map_request(move |request: Request<ShadowBody>| match is_primary {
                    true => request.map(axum::body::Body::new),
                    false => doubled(request),
                })
                .service(shadow);
            let mirror = MirrorLayer::builder(shadow).body_mode(mode).build();
            let primary = Primary::reading();
            let side = tower::ServiceBuilder::new()
                .map_request(move |request: Request<TeeBody<Script>>| match is_primary {
                    true => doubled(request),
                    false => request.map(axum::body::Body::new),
                })
                .service(primary.clone());
            let mut request = post(Script::chunks([5]).knowing_length());
            request.headers_mut().insert("content-length", 5.into());
            mirror.layer(side).oneshot(request).await.unwrap();

            let (head, stream) = primary.one();
            let (once, twice) = ((5, 5.into()), (10, 10.into()));
            let expected = if is_primary {
                (twice, once)
            } else {
                (once, twice)
            };
            let found = (
                of(&head.headers, stream.bytes().len()),
                received.recv().await.unwrap(),
            );
            assert_eq!(found, expected, "{mode:?}");
            assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
        }
    }
}
