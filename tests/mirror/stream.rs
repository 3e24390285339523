//! `BodyMode::Streaming`: a copy is relayed live, and is aborted if the primary would have to wait
//! for it.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinHandle, yield_now},
    time::Instant,
};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_mirror::{
    BodyMode, MirrorBuilder, MirrorHandle, MirrorLayer, Outcome, ShadowBody, TeeBody,
};
use tower_mirror_testing::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The events that a shadow observes, in their order.
#[derive(Debug, PartialEq)]
enum Seen {
    Head(HeaderMap),
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    End,
}

/// A shadow that passes each frame to the test, and answers after the end.
fn reading() -> (MirrorBuilder, UnboundedReceiver<Seen>) {
    let (sender, seen) = unbounded_channel();
    let shadow = service_fn(move |request: Request<ShadowBody>| {
        let sender = sender.clone();
        async move {
            let (head, mut body) = request.into_parts();
            sender.send(Seen::Head(head.headers))?;
            while let Some(frame) = body.frame().await {
                let seen = match frame {
                    Err(error) => {
                        sender.send(Seen::Error)?;
                        return Err(error.into());
                    }
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => Seen::Data(data),
                        Err(frame) => Seen::Trailers(frame.into_trailers().expect("known")),
                    },
                };
                sender.send(seen)?;
            }
            sender.send(Seen::End)?;
            Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
        }
    });
    (streaming(MirrorLayer::builder(shadow)), seen)
}

/// A shadow that keeps the body of the request and does nothing.
fn hung() -> MirrorBuilder {
    streaming(MirrorLayer::builder(service_fn(
        async |request: Request<ShadowBody>| {
            let _body = request.into_body();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        },
    )))
}

fn streaming(mirror: MirrorBuilder) -> MirrorBuilder {
    mirror.body_mode(BodyMode::Streaming).timeout(TIMEOUT)
}

/// Reads the whole body and answers.
async fn read_all<B>(mirror: &MirrorLayer, body: B) -> Result<Response<Full<Bytes>>, BoxError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    serve(mirror, &Primary::reading(), Request::post("/").body(body)?).await
}

async fn ends(handle: &MirrorHandle, outcome: Outcome) {
    assert_only(&settled(handle, 1).await, outcome);
}

#[tokio::test(start_paused = true)]
async fn frames_reach_the_shadow_before_the_body_ends() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let (feed, body) = Feed::new();
    let answer = tokio::spawn({
        let mirror = mirror.clone();
        async move { read_all(&mirror, body).await.map(|_| ()) }
    });
    assert!(matches!(seen.recv().await, Some(Seen::Head(_))));
    for n in 0..3 {
        let data = pattern(n * 5000 + 1);
        feed.send(data.clone()).unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Data(data)));
        assert_eq!(mirror.handle().stats().in_flight(), 1);
    }
    // The upload takes longer than any deadline: the limits of a live copy are its window and the
    // pauses between its frames.
    for _ in 0..100 {
        tokio::time::advance(Duration::from_secs(29)).await;
        feed.send(pattern(7)).unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Data(pattern(7))));
    }
    drop(feed);
    assert_eq!(seen.recv().await, Some(Seen::End));
    answer.await.unwrap().unwrap();
    ends(&mirror.handle(), Outcome::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn the_head_says_what_is_known() {
    let with_trailers = Script::chunks([5]).then(Step::Trailers(trailers(&[("x-sum", "1")])));
    let known = || Script::chunks([5, 5]).knowing_length();
    let cases: [(Script, bool, &[&str], &[&str]); 5] = [
        (known(), false, &["10"], &[]),
        // HTTP/1.1 has trailers only after a chunked body.
        (known(), true, &[], &["chunked"]),
        (Script::chunks([5, 5]), false, &[], &["chunked"]),
        (Script::chunks([5, 5]), true, &[], &["chunked"]),
        (with_trailers, true, &[], &["chunked"]),
    ];
    for (script, is_announced, length, coding) in cases {
        let (mirror, mut seen) = reading();
        let mirror = mirror.build();
        let mut request = Request::post("/");
        if is_announced {
            request = request.header("trailer", "x-sum");
        }
        let request = request.body(script).unwrap();
        serve(&mirror, &Primary::reading(), request).await.unwrap();
        ends(&mirror.handle(), Outcome::Completed).await;
        let Some(Seen::Head(head)) = seen.recv().await else {
            panic!("the shadow received no head");
        };
        let values = |name: &str| -> Vec<_> { head.get_all(name).iter().cloned().collect() };
        assert_eq!(values("content-length"), length);
        assert_eq!(values("transfer-encoding"), coding);
        assert_eq!(values("trailer").len(), usize::from(is_announced));
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_are_relayed() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let sum = trailers(&[("x-sum", "1")]);
    read_all(
        &mirror,
        Script::chunks([5]).then(Step::Trailers(sum.clone())),
    )
    .await
    .unwrap();
    ends(&mirror.handle(), Outcome::Completed).await;
    seen.recv().await;
    assert_eq!(seen.recv().await, Some(Seen::Data(pattern(5))));
    assert_eq!(seen.recv().await, Some(Seen::Trailers(sum)));
    assert_eq!(seen.recv().await, Some(Seen::End));
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_falls_behind_is_given_up() {
    let at = |bytes, frames| hung().lag_window(bytes, frames).build();
    // The cases reach the limit of the window, and exceed it by one, in bytes and in frames.
    let cases = [
        (at(3000, 100), vec![1000; 3], Outcome::TimedOut),
        (at(2999, 100), vec![1000; 3], Outcome::Lagged),
        (at(1 << 20, 3), vec![1; 3], Outcome::TimedOut),
        (at(1 << 20, 3), vec![1; 4], Outcome::Lagged),
        (at(1 << 20, 256), vec![1 << 16; 17], Outcome::Lagged),
    ];
    for (mirror, chunks, outcome) in cases {
        let primary = Primary::reading();
        let script = Script::chunks(chunks.clone());
        let request = Request::post("/").body(script).unwrap();
        let before = tokio::time::Instant::now();
        serve(&mirror, &primary, request).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "the primary waited");
        assert_eq!(primary.one().1.bytes().len(), chunks.iter().sum::<usize>());
        ends(&mirror.handle(), outcome).await;
        let took = if outcome == Outcome::Lagged {
            Duration::ZERO
        } else {
            TIMEOUT
        };
        assert_eq!(before.elapsed(), took);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_any_size_passes_through_the_window() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.max_body_bytes(10).lag_window(64 << 10, 4).build();
    let handle = mirror.handle();
    let (feed, body) = Feed::new();
    let answer = tokio::spawn({
        let mirror = mirror.clone();
        async move { read_all(&mirror, body).await.map(|_| ()) }
    });
    seen.recv().await;
    for _ in 0..200 {
        feed.send(pattern(50_000)).unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Data(pattern(50_000))));
        assert!(handle.stats().buffered_bytes() <= 2 * (64 << 10));
    }
    drop(feed);
    answer.await.unwrap().unwrap();
    ends(&handle, Outcome::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_never_whole() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let _ = read_all(&mirror, Script::chunks([5]).then(Step::Error)).await;
    ends(&mirror.handle(), Outcome::BodyError).await;
    drop(mirror);
    while let Some(saw) = seen.recv().await {
        assert_ne!(saw, Seen::End);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_left_unread_or_a_client_gone_is_an_abort() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let primary = Primary::new(Reads::Frames(1), Then::Answers(401));
    let request = Request::post("/").body(Script::chunks([5, 5])).unwrap();
    serve(&mirror, &primary, request).await.unwrap();
    ends(&mirror.handle(), Outcome::Unread).await;
    drop(mirror);
    while let Some(saw) = seen.recv().await {
        assert_ne!(saw, Seen::End);
    }

    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let (feed, body) = Feed::new();
    let answer = tokio::spawn({
        let mirror = mirror.clone();
        async move { read_all(&mirror, body).await.map(|_| ()) }
    });
    seen.recv().await;
    feed.send(pattern(5)).unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Data(pattern(5))));
    answer.abort();
    assert!(answer.await.unwrap_err().is_cancelled());
    ends(&mirror.handle(), Outcome::ClientAborted).await;
    drop(mirror);
    while let Some(saw) = seen.recv().await {
        assert_ne!(saw, Seen::End);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_answers_or_dies_early_is_done_and_the_primary_goes_on() {
    let early = service_fn(async |request: Request<ShadowBody>| {
        drop(request);
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let dies = service_fn(async |request: Request<ShadowBody>| {
        drop(request);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        Err::<Response<Full<Bytes>>, _>(reset)
    });
    let cases = [
        (
            streaming(MirrorLayer::builder(early)).build(),
            Outcome::Completed,
        ),
        (
            streaming(MirrorLayer::builder(dies)).build(),
            Outcome::FailedTransport,
        ),
    ];
    for (mirror, outcome) in cases {
        let (feed, body) = Feed::new();
        let answer = tokio::spawn({
            let mirror = mirror.clone();
            async move { read_all(&mirror, body).await.map(|_| ()) }
        });
        feed.send(pattern(5)).unwrap();
        while mirror.handle().stats().admitted() == 0 {
            tokio::task::yield_now().await;
        }
        ends(&mirror.handle(), outcome).await;
        // The primary continues long after the copy has ended, and none of these bytes are kept.
        feed.send(pattern(100_000)).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(mirror.handle().stats().buffered_bytes(), 0);
        drop(feed);
        answer.await.unwrap().unwrap();
    }
}

/// Each message is sent after the previous one was received. Code that waits for the end of the
/// body would hang.
#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_in_every_mode() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly] {
        let (mirror, mut seen) = reading();
        let mirror = mirror.body_mode(mode).build();
        let (heard, mut hears) = unbounded_channel();
        let primary = service_fn(move |request: Request<TeeBody<Feed>>| {
            let heard = heard.clone();
            async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    heard.send(frame?.into_data().expect("data"))?;
                }
                Ok::<_, BoxError>(Response::new(()))
            }
        });
        let (feed, body) = Feed::new();
        let request = Request::post("/").body(body).unwrap();
        let answer = tokio::spawn(mirror.layer(primary).oneshot(request));
        for n in 1..4 {
            feed.send(pattern(n)).unwrap();
            assert_eq!(hears.recv().await, Some(pattern(n)), "{mode:?}");
        }
        drop(feed);
        answer.await.unwrap().unwrap();
        ends(&mirror.handle(), Outcome::Completed).await;
        let mut data = Vec::new();
        while let Ok(saw) = seen.try_recv() {
            if let Seen::Data(bytes) = saw {
                data.push(bytes);
            }
        }
        let expected = if mode == BodyMode::HeadOnly { 0 } else { 3 };
        assert_eq!(data.len(), expected, "{mode:?}");
    }
}

fn offering(body: Feed) -> Request<Feed> {
    let request = Request::post("/").header("connection", "upgrade");
    request.header("upgrade", "h2c").body(body).unwrap()
}

/// Java's client offers an upgrade with each request. A primary usually answers after the body. If
/// the copy waited for that answer, the window would have to contain the whole body.
#[tokio::test(start_paused = true)]
async fn an_offer_to_upgrade_does_not_hold_the_copy_back() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.lag_window(1 << 20, 2).build();
    let (feed, body) = Feed::new();
    let service = mirror.layer(Primary::reading());
    let answer = tokio::spawn(service.oneshot(offering(body)));
    let Ok(Some(Seen::Head(head))) = tokio::time::timeout(TIMEOUT, seen.recv()).await else {
        panic!("the shadow received no head");
    };
    assert_eq!((head.get("upgrade"), head.get("connection")), (None, None));
    for length in 1..10 {
        feed.send(pattern(length)).unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Data(pattern(length))));
    }
    drop(feed);
    answer.await.unwrap().unwrap();
    ends(&mirror.handle(), Outcome::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_ends_when_its_primary_switches_protocols() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let (feed, body) = Feed::new();
    let (kept, mut keeps) = unbounded_channel();
    let primary = service_fn(move |request: Request<TeeBody<Feed>>| {
        // The body is kept, as it may be when the connection continues with another protocol.
        kept.send(request.into_body())
            .expect("the test receives the body");
        let switches = Response::builder().status(101).body(());
        std::future::ready(switches)
    });
    let answer = mirror.layer(primary).oneshot(offering(body)).await.unwrap();
    assert_eq!(answer.status(), 101);
    ends(&mirror.handle(), Outcome::Upgrade).await;
    drop((feed, keeps.recv().await));
    while let Ok(saw) = seen.try_recv() {
        assert_ne!(saw, Seen::End, "the shadow saw a complete request");
    }
}

const IDLE: Duration = Duration::from_secs(30);

/// One upload, whose frames the test sends.
struct Upload {
    feed: UnboundedSender<Bytes>,
    answer: JoinHandle<()>,
    primary: Primary,
}

impl Upload {
    fn begin(mirror: &MirrorLayer) -> Self {
        let (feed, body) = Feed::new();
        let (mirror, primary) = (mirror.clone(), Primary::reading());
        let answer = tokio::spawn({
            let primary = primary.clone();
            async move {
                let request = Request::post("/").body(body).expect("a request");
                let answer = serve(&mirror, &primary, request).await;
                assert_eq!(answer.expect("an answer").status(), 200);
            }
        });
        Self {
            feed,
            answer,
            primary,
        }
    }

    /// The primary receives the frames after the end of the copy, and answers.
    async fn goes_on(self, before: usize) {
        assert!(!self.answer.is_finished());
        self.feed.send(pattern(100_000)).unwrap();
        drop(self.feed);
        self.answer.await.unwrap();
        assert_eq!(self.primary.one().1.bytes().len(), before + 100_000);
    }
}

async fn admitted(handle: &MirrorHandle, copies: u64) {
    while handle.stats().admitted() < copies {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_that_send_nothing_give_their_places_back() {
    let never_ready = MirrorLayer::builder(TestShadow::new(Act::Hangs(Place::Ready)));
    let (reads, _seen) = reading();
    for mirror in [reads, hung(), streaming(never_ready)] {
        // The defaults apply: 128 slots and 30 s.
        let mirror = mirror.build();
        let handle = mirror.handle();
        let begun = Instant::now();
        let uploads: Vec<_> = (0..128).map(|_| Upload::begin(&mirror)).collect();
        admitted(&handle, 128).await;
        read_all(&mirror, Script::chunks([5])).await.unwrap();
        assert_eq!(handle.stats().outcome(Outcome::InFlightLimit), 1);

        tokio::time::advance(IDLE - Duration::from_millis(1)).await;
        assert_eq!(handle.stats().in_flight(), 128);
        let stats = settled(&handle, 129).await;
        assert_eq!(begun.elapsed(), IDLE);
        assert_eq!(stats.outcome(Outcome::TimedOut), 128, "{stats}");
        // The slots are free while the uploads continue, and each upload is served.
        let places: Vec<_> = (0..128).map(|_| Upload::begin(&mirror)).collect();
        admitted(&handle, 256).await;
        assert_eq!(handle.stats().in_flight(), 128);
        for upload in uploads.into_iter().chain(places) {
            upload.goes_on(0).await;
        }
        handle.wait_idle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_lives_for_as_long_as_frames_come() {
    let (mirror, mut seen) = reading();
    let mirror = mirror.build();
    let handle = mirror.handle();
    let upload = Upload::begin(&mirror);
    admitted(&handle, 1).await;
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        upload.feed.send(pattern(1)).unwrap();
    }
    yield_now().await;
    let last = Instant::now();
    assert_eq!(handle.stats().in_flight(), 1);
    ends(&handle, Outcome::TimedOut).await;
    assert_eq!(last.elapsed(), IDLE);
    upload.goes_on(500).await;
    drop((mirror, handle));
    let mut frames = 0;
    while let Some(saw) = seen.recv().await {
        frames += usize::from(matches!(saw, Seen::Data(_)));
        assert_ne!(
            saw,
            Seen::End,
            "the shadow saw a shorter body that looks complete"
        );
    }
    assert_eq!(frames, 500);
}

/// The configured time applies, even if it is very long.
#[tokio::test(start_paused = true)]
async fn the_pause_between_frames_can_be_set() {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let second = Duration::from_secs(1);
    for (limit, pause, outcome) in [
        (second, second, Outcome::TimedOut),
        (
            second,
            second - Duration::from_millis(1),
            Outcome::Completed,
        ),
        (Duration::MAX, year, Outcome::Completed),
        (Duration::ZERO, Duration::from_millis(1), Outcome::TimedOut),
    ] {
        let (mirror, _seen) = reading();
        let mirror = mirror.capture_timeout(limit).build();
        let upload = Upload::begin(&mirror);
        admitted(&mirror.handle(), 1).await;
        tokio::time::sleep(pause).await;
        if outcome == Outcome::TimedOut {
            ends(&mirror.handle(), outcome).await;
        }
        upload.goes_on(0).await;
        ends(&mirror.handle(), outcome).await;
    }
}

/// Reads this many bytes and answers, as a server does that knows the length.
fn reading_bytes(length: usize) -> MirrorBuilder {
    streaming(MirrorLayer::builder(service_fn(
        move |request: Request<ShadowBody>| async move {
            read(request.into_body(), |bytes, _| bytes >= length).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    )))
}

/// All declared bytes have arrived, but not the end of the body. The primary waits for the end.
#[tokio::test(start_paused = true)]
async fn a_copy_that_has_been_answered_whole_is_complete_although_its_upload_does_not_end() {
    let body = |sent: usize| Script::new([Step::Data(pattern(sent)), Step::Hang]);
    const NOW: Duration = Duration::ZERO;
    const LATE: Duration = Duration::from_secs(35);
    // The outcome of the copy, the time of its shadow, and the time of the copy.
    let cases = [
        (reading_bytes(5), body(5), Outcome::Completed, NOW, IDLE),
        // The shadow's own time begins when the body counts as ended.
        (hung(), body(5), Outcome::TimedOut, LATE, LATE),
        // The shadow has answered an incomplete request, and its answer is final.
        (reading_bytes(3), body(3), Outcome::Completed, NOW, NOW),
        (reading_bytes(5), body(3), Outcome::TimedOut, IDLE, IDLE),
    ];
    for (mirror, body, outcome, total, after) in cases {
        let observer = RecordingObserver::default();
        let mirror = mirror.observe_with(observer.clone()).build();
        let request = Request::post("/").header("content-length", "5");
        let request = request.body(body).unwrap();
        let begun = Instant::now();
        let answer = tokio::spawn({
            let mirror = mirror.clone();
            async move {
                serve(&mirror, &Primary::reading(), request)
                    .await
                    .map(|_| ())
            }
        });
        admitted(&mirror.handle(), 1).await;
        ends(&mirror.handle(), outcome).await;
        assert_eq!(begun.elapsed(), after, "{outcome:?}");
        assert!(!answer.is_finished(), "the primary still waits");
        answer.abort();
        let _ = answer.await;
        assert_eq!(observer.report().shadow.total, Some(total));
    }
}
