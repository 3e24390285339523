//! M2 over random bodies: each poll of the primary has the same result as without the layer. The
//! shadow reads the same stream, or there is no copy.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_mirror::{BodyMode, MirrorLayer, Outcome};
use tower_mirror_testing::*;

const CAP: usize = 20_000;

#[derive(Clone, Debug)]
struct Case {
    steps: Vec<Step>,
    knows_length: bool,
    knows_end: bool,
    /// The primary drops the body after this many polls.
    polls: usize,
}

impl Case {
    fn script(&self) -> Script {
        let mut script = Script::new(self.steps.clone());
        if self.knows_length {
            script = script.knowing_length();
        }
        if self.knows_end {
            script = script.knowing_end();
        }
        script
    }

    /// The content that a copy must have, if there must be a copy.
    fn copy(&self, cap: usize) -> Option<Stream> {
        let mut copy = Stream {
            pieces: Vec::new(),
            end: End::Whole,
        };
        if self.knows_end && self.steps.is_empty() {
            return Some(copy);
        }
        let length = |step: &Step| match step {
            Step::Data(data) => data.len(),
            _ => 0,
        };
        let declared: usize = self.steps.iter().map(length).sum();
        let (mut bytes, mut is_reached) = (0, false);
        for (at, step) in self.steps.iter().enumerate() {
            if at == self.polls {
                // In these cases nothing was read, or all declared bytes were read, or the primary,
                // which answers 200, has stopped at its own end marker.
                is_reached = self.knows_length && bytes == declared;
                if bytes == 0 {
                    return None;
                }
            }
            match step {
                // The copy does not wait for frames after the declared bytes.
                Step::Pending if is_reached => return Some(copy),
                Step::Pending => continue,
                Step::Error | Step::Hang => return None,
                Step::Data(data) if data.is_empty() => {}
                Step::Data(data) => copy.pieces.push(Piece::Data(data.clone())),
                // Trailers are the end, even if the primary does not poll again.
                Step::Trailers(fields) => {
                    copy.pieces.push(Piece::Trailers(fields.clone()));
                    return Some(copy);
                }
            }
            bytes = copy.bytes().len();
            if bytes > cap {
                return None;
            }
            if self.knows_end && at + 1 == self.steps.len() {
                return Some(copy);
            }
        }
        (self.polls > self.steps.len() || bytes > 0).then_some(copy)
    }
}

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

fn case() -> impl Strategy<Value = Case> {
    let steps = prop::collection::vec(step(), 0..8).prop_map(|mut steps| {
        // In HTTP, nothing follows the trailers.
        if let Some(at) = steps
            .iter()
            .position(|step| matches!(step, Step::Trailers(_)))
        {
            steps.truncate(at + 1);
        }
        steps
    });
    let polls = prop_oneof![3 => Just(usize::MAX), 1 => 0usize..10];
    (steps, any::<(bool, bool)>(), polls).prop_map(|(steps, (knows_length, knows_end), polls)| {
        Case {
            steps,
            knows_length,
            knows_end,
            polls,
        }
    })
}

type Log = Arc<Mutex<Vec<String>>>;

/// Records every poll, and the body's hints before the poll.
async fn note<B>(body: B, polls: usize, log: Log)
where
    B: Body<Data = Bytes, Error = Broken>,
{
    let mut body = pin!(body);
    for _ in 0..polls {
        let hint = body.size_hint();
        let says = (body.is_end_stream(), hint.lower(), hint.upper());
        let polled = poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
        lock(&log).push(format!("{says:?} {polled:?}"));
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            return;
        }
    }
}

fn primary<B>(
    polls: usize,
    log: &Log,
) -> impl Service<Request<B>, Response = Response<()>, Error = Infallible>
where
    B: Body<Data = Bytes, Error = Broken>,
{
    let log = Arc::clone(log);
    service_fn(move |request: Request<B>| {
        let log = Arc::clone(&log);
        async move {
            note(request.into_body(), polls, log).await;
            Ok(Response::new(()))
        }
    })
}

async fn check(case: Case) {
    let (with, without) = (Log::default(), Log::default());
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::builder(shadow.share())
        .max_body_bytes(CAP as u64)
        .build();
    let request = || Request::post("/").body(case.script()).expect("a request");

    let Ok(_) = primary(case.polls, &without).oneshot(request()).await;
    let Ok(_) = mirror
        .layer(primary(case.polls, &with))
        .oneshot(request())
        .await;
    settled(&mirror.handle(), 1).await;
    assert_eq!(*lock(&with), *lock(&without));

    let untaken = Log::default();
    mirror.handle().pause();
    let Ok(_) = mirror
        .layer(primary(case.polls, &untaken))
        .oneshot(request())
        .await;
    settled(&mirror.handle(), 2).await;
    assert_eq!(*lock(&untaken), *lock(&without));

    let copies: Vec<Stream> = shadow
        .copies()
        .into_iter()
        .map(|copy| copy.stream)
        .collect();
    assert_eq!(copies, case.copy(CAP).into_iter().collect::<Vec<_>>());
}

/// In a live copy, the shadow reads the whole stream, or a part of it that ends with an error.
async fn check_live(case: Case) {
    let (with, without) = (Log::default(), Log::default());
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::builder(shadow.share())
        .body_mode(BodyMode::Streaming)
        .build();
    let request = || Request::post("/").body(case.script()).expect("a request");
    let Ok(_) = primary(case.polls, &without).oneshot(request()).await;
    let Ok(_) = mirror
        .layer(primary(case.polls, &with))
        .oneshot(request())
        .await;
    let stats = settled(&mirror.handle(), 1).await;
    assert_eq!(*lock(&with), *lock(&without));

    let copies = shadow.copies();
    match case.copy(usize::MAX) {
        Some(whole) => {
            assert_eq!(stats.outcome(Outcome::Completed), 1, "{stats}");
            assert_eq!(copies[0].stream, whole);
        }
        None => {
            assert_eq!(stats.outcome(Outcome::Completed), 0, "{stats}");
            assert!(copies.iter().all(|copy| copy.stream.end != End::Whole));
        }
    }
}

fn run(check: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(600), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_read_the_same_stream_or_there_is_no_copy(case in case()) {
        run(check(case));
    }

    #[test]
    fn live_the_shadow_reads_the_same_stream_or_an_error(case in case()) {
        run(check_live(case));
    }
}
