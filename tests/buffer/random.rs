//! Random bodies: the service reads the same stream with and without a buffer.

use std::{convert::Infallible, sync::Mutex};

use http::Request;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};
use tower_mirror::{BufferedBody, MirrorLayer, RequestBodyBufferLayer};
use tower_mirror_testing::*;

const CAP: u64 = 20_000;

fn step() -> impl Strategy<Value = Step> {
    let length =
        prop_oneof![3 => 0usize..3, 3 => 0usize..200, 2 => 8190usize..8195, 1 => 0usize..12_000];
    prop_oneof![
        8 => length.prop_map(|length| Step::Data(pattern(length))),
        3 => Just(Step::Pending),
        1 => Just(Step::Trailers(trailers(&[("x-sum", "1"), ("x-other", "2")]))),
        1 => Just(Step::Error),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let steps = prop::collection::vec(step(), 0..8).prop_map(|mut steps| {
        // In HTTP, nothing follows the trailers.
        let at = steps
            .iter()
            .position(|step| matches!(step, Step::Trailers(_)));
        steps.truncate(at.map_or(steps.len(), |at| at + 1));
        steps
    });
    (steps, any::<(bool, bool)>()).prop_map(|(steps, (knows_length, knows_end))| {
        let mut script = Script::new(steps);
        if knows_length {
            script = script.knowing_length();
        }
        if knows_end {
            script = script.knowing_end();
        }
        script
    })
}

/// Returns the data, the trailers and the end, because a buffer may change the boundaries of
/// frames.
fn essence(stream: &Stream) -> (bytes::Bytes, Vec<Piece>, End) {
    let is_trailers = |piece: &&Piece| matches!(piece, Piece::Trailers(_));
    let trailers = stream.pieces.iter().filter(is_trailers).cloned().collect();
    (stream.bytes(), trailers, stream.end.clone())
}

async fn check(script: Script) {
    let without = essence(&read(script.clone(), |_, _| false).await);

    let seen = Mutex::new(None);
    let service = service_fn(async |request: Request<BufferedBody<Script>>| {
        let body = request.into_body();
        let clone = body.try_clone();
        assert_eq!(clone.is_some(), body.is_complete());
        *lock(&seen) = Some((body.is_complete(), essence(&read(body, |_, _| false).await)));
        if let Some(clone) = clone {
            let again = essence(&read(clone, |_, _| false).await);
            assert_eq!(Some((true, again)), *lock(&seen));
        }
        Ok::<_, Infallible>(())
    });
    let buffer = RequestBodyBufferLayer::new().max_bytes(CAP);
    let Ok(()) = buffer.layer(service).oneshot(post(script.clone())).await;
    let (is_complete, with) = lock(&seen).take().expect("a call");
    assert_eq!(with, without);
    let fits = without.0.len() as u64 <= CAP;
    assert_eq!(is_complete, fits && without.2 == End::Whole);

    // Behind a buffer, a mirror copies every complete body, and the part that its primary reads has
    // no influence.
    for (primary, is_reading) in [(Primary::ignoring(), false), (Primary::reading(), true)] {
        let shadow = TestShadow::recording();
        let mirror = MirrorLayer::new(shadow.share());
        let service = buffer.layer(mirror.layer(primary));
        assert!(service.oneshot(post(script.clone())).await.is_ok());
        settled(&mirror.handle(), 1).await;
        let copies: Vec<_> = shadow
            .copies()
            .iter()
            .map(|copy| essence(&copy.stream))
            .collect();
        let is_copied = is_complete || (is_reading && without.2 == End::Whole);
        assert_eq!(
            copies,
            is_copied
                .then(|| without.clone())
                .into_iter()
                .collect::<Vec<_>>()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_service_reads_the_same_stream_with_and_without(script in script()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(check(script));
    }
}
