//! M3: the memory of copies is limited, charged correctly, and released immediately.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use tokio::{sync::mpsc::unbounded_channel, time::Instant};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_mirror::{HostRewrite, MirrorLayer, Outcome, ShadowBody, TeeBody};
use tower_mirror_testing::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn bytes_are_charged_frame_by_frame_and_never_over_the_limit() {
    const HEAD: usize = 8192;
    const MAX: usize = 100_000;
    let mirror = MirrorLayer::builder(TestShadow::recording())
        .max_buffered_bytes(MAX)
        .build();
    let handle = mirror.handle();
    let begin = || {
        let (feed, body) = Feed::new();
        let request = Request::post("/").body(body).expect("a request");
        let answer = mirror.layer(Primary::reading()).call(request);
        (feed, tokio::spawn(answer))
    };
    let (one, first) = begin();
    assert_eq!(handle.stats().buffered_bytes(), HEAD);
    // The length of a frame, and the resulting charge.
    let steps = [
        (0, HEAD),
        (1, HEAD + 65),
        (8192, HEAD + 65 + 8256),
        (56_000, HEAD + 65 + 8256 + 56_064),
    ];
    for (length, held) in steps {
        one.send(pattern(length)).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(handle.stats().buffered_bytes(), held, "{length}");
    }
    // 72 577 bytes are charged, so a second copy may be charged 27 423. Its frames exceed this, and
    // only this copy is lost.
    let (two, second) = begin();
    let before = handle.stats().buffered_bytes();
    two.send(pattern(20_000)).unwrap();
    tokio::task::yield_now().await;
    assert_eq!(handle.stats().outcome(Outcome::BufferLimit), 1);
    assert_eq!(handle.stats().buffered_bytes(), before - HEAD);
    two.send(pattern(1)).unwrap();
    drop((one, two));
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let stats = settled(&handle, 2).await;
    assert_eq!(stats.outcome(Outcome::Completed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_is_charged_until_the_shadow_answers() {
    for (place, held) in [(Place::Ready, 8192), (Place::Call, 8192), (Place::Body, 0)] {
        let mirror = MirrorLayer::new(TestShadow::new(Act::Hangs(place)));
        serve(&mirror, &Primary::reading(), get()).await.unwrap();
        tokio::task::yield_now().await;
        let stats = mirror.handle().stats();
        assert_eq!((stats.in_flight(), stats.buffered_bytes()), (1, held));
        settled(&mirror.handle(), 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_uploads_together_keep_to_the_limit() {
    const MAX: usize = 120_000;
    let mirror = MirrorLayer::builder(TestShadow::new(Act::Hangs(Place::Call)))
        .max_buffered_bytes(MAX)
        .build();
    let handle = mirror.handle();
    let mut uploads = Vec::new();
    for turn in 0..30usize {
        let (feed, body) = Feed::new();
        let request = Request::post("/").body(body).unwrap();
        let answer = tokio::spawn(mirror.layer(Primary::reading()).call(request));
        uploads.push((feed, answer));
        for (at, (feed, _)) in uploads.iter().enumerate() {
            feed.send(pattern((turn * 7919 + at * 104_729) % 12_000))
                .unwrap();
            tokio::task::yield_now().await;
            let stats = handle.stats();
            assert!(stats.buffered_bytes() <= MAX, "{stats}");
            assert_adds_up(&stats, turn as u64 + 1);
        }
    }
    for (feed, answer) in uploads {
        drop(feed);
        answer.await.unwrap().unwrap();
    }
    let stats = settled(&handle, 30).await;
    assert!(stats.outcome(Outcome::BufferLimit) > 0);
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_a_copy_are_freed_when_it_ends_even_if_its_body_is_kept() {
    for frames_read_before in [0, 1] {
        let shadow = TestShadow::new(Act::KeepsBody);
        let mirror = MirrorLayer::new(shadow.share());
        let body = Script::chunks([5, 18_000]);
        serve(&mirror, &Primary::reading(), post(body))
            .await
            .unwrap();
        tokio::task::yield_now().await;
        let mut kept = shadow.take_kept().remove(0);
        assert!(mirror.handle().stats().buffered_bytes() >= 18_000);
        for _ in 0..frames_read_before {
            kept.frame().await.unwrap().unwrap();
        }
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::TimedOut);

        use http_body::Body;
        assert!(!kept.is_end_stream());
        assert_eq!(kept.size_hint().exact(), None);
        let seen = read(&mut kept, |_, _| false).await;
        let given_up = "the mirror aborted this copy before its body was read";
        assert_eq!(
            (seen.pieces, seen.end),
            (vec![], End::Error(given_up.into()))
        );
        assert!(matches!(read(kept, |_, _| false).await.end, End::Error(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_read_to_its_end_stays_at_its_end() {
    let shadow = TestShadow::new(Act::KeepsBody);
    let mirror = MirrorLayer::new(shadow.share());
    let script = Script::chunks([5]);
    serve(&mirror, &Primary::reading(), post(script))
        .await
        .unwrap();
    tokio::task::yield_now().await;
    let mut kept = shadow.take_kept().remove(0);
    kept.frame().await.unwrap().unwrap();
    settled(&mirror.handle(), 1).await;
    assert!(kept.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
#[expect(clippy::mem_forget, reason = "a leak is the subject")]
async fn what_is_leaked_is_in_flight_until_its_deadline() {
    let mirror = MirrorLayer::new(TestShadow::recording());
    let primary = service_fn(async |request: Request<TeeBody<Script>>| {
        std::mem::forget(request);
        Ok::<_, Infallible>(Response::new(()))
    });
    let begun = Instant::now();
    let Ok(_) = mirror.layer(primary).call(post(Script::chunks([5]))).await;
    tokio::time::sleep(29 * SECOND).await;
    assert_eq!(mirror.handle().stats().in_flight(), 1);
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::TimedOut);
    assert_eq!(begun.elapsed(), 30 * SECOND);

    // This drops the primary's future, and everything that it owns.
    std::mem::forget(
        mirror
            .layer(Primary::reading())
            .call(post(Script::chunks([5]))),
    );
    assert_eq!(
        settled(&mirror.handle(), 2)
            .await
            .outcome(Outcome::TimedOut),
        2
    );
}

/// Bytes that notify the test when their last reference is dropped.
struct ReadBuffer(Vec<u8>, Arc<AtomicBool>);

impl ReadBuffer {
    fn bytes(text: &str, is_free: &Arc<AtomicBool>) -> Bytes {
        Bytes::from_owner(Self(text.into(), Arc::clone(is_free)))
    }
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.1.store(true, Relaxed);
    }
}

/// A client may send any scheme in a target in absolute form.
#[tokio::test(start_paused = true)]
async fn a_waiting_copy_holds_no_part_of_the_target_as_it_was_read() {
    for target in ["/x?y", "http://shop.example/x?y", "odd://shop.example/x?y"] {
        let is_free = Arc::new(AtomicBool::new(false));
        let uri = Uri::from_maybe_shared(ReadBuffer::bytes(target, &is_free)).unwrap();
        let shadow = TestShadow::recording();
        let mirror = MirrorLayer::new(shadow.clone());
        let primary = service_fn(async |request: Request<TeeBody<Feed>>| {
            let (_, body) = request.into_parts();
            body.collect().await?;
            Ok::<_, Infallible>(Response::new(()))
        });
        let (feed, body) = Feed::new();
        let request = Request::post(uri).body(body).unwrap();
        let answer = tokio::spawn(mirror.layer(primary).call(request));
        feed.send(pattern(1)).unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(mirror.handle().stats().in_flight(), 1);
        assert!(is_free.load(Relaxed), "{target}");
        drop(feed);
        answer.await.unwrap().unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
        assert_eq!(shadow.one().head.uri, "/x?y");
    }
}

/// Heads of many lengths, because short and long texts are stored in different ways.
#[tokio::test(start_paused = true)]
async fn a_shadow_that_holds_a_copy_holds_nothing_of_a_read_buffer() {
    for length in [0, 1, 500, 1010, 1011, 1012, 1500, 100_000] {
        let (sender, mut copies) = unbounded_channel();
        let mirror = MirrorLayer::builder(service_fn(move |copy: Request<ShadowBody>| {
            sender.send(copy).expect("the test receives it");
            pending::<Result<Response<Full<Bytes>>, Infallible>>()
        }))
        .host_rewrite(HostRewrite::preserve())
        .without_mark()
        .build();

        let mut buffers = Vec::new();
        let mut slice = |text: &str| {
            let is_free = Arc::default();
            let slice = ReadBuffer::bytes(text, &is_free);
            buffers.push(is_free);
            slice
        };
        let long = "v".repeat(length);
        let mut request = Request::builder().method("POST");
        for (name, text) in [("host", "a"), ("x-a", "1"), ("x-b", &long), ("x-a", "2")] {
            let mut value = HeaderValue::from_maybe_shared(slice(text)).unwrap();
            value.set_sensitive(name == "x-a");
            request = request.header(name, value);
        }
        let sum = HeaderValue::from_maybe_shared(slice("3")).unwrap();
        let sum = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), sum)]);
        let script = Script::new([Step::Data(slice("body")), Step::Trailers(sum.clone())]);
        let target = Uri::from_maybe_shared(slice("/x?y")).unwrap();
        let request = request.uri(target).body(script).unwrap();
        let primary = service_fn(async |request: Request<TeeBody<Script>>| {
            request.into_body().collect().await?;
            Ok::<_, Broken>(Response::new(()))
        });
        mirror.layer(primary).oneshot(request).await.unwrap();
        drop(sum);

        let copy = copies.recv().await.expect("a copy");
        let is_free: Vec<_> = buffers.iter().map(|free| free.load(Relaxed)).collect();
        assert_eq!(is_free, [true; 7], "{length}");
        let (head, body) = copy.into_parts();
        assert_eq!(
            (head.method, head.uri),
            (Method::POST, Uri::from_static("/x?y"))
        );
        let names = head.headers.iter().map(|(name, _)| name.as_str());
        let values = head.headers.values();
        let values = values.map(|value| (value.to_str().unwrap(), value.is_sensitive()));
        let fields: Vec<_> = names.zip(values).collect();
        let expected = [
            ("host", ("a", false)),
            ("x-a", ("1", true)),
            ("x-a", ("2", true)),
            ("x-b", (&*long, false)),
        ];
        assert_eq!(fields[..4], expected, "{length}");
        let body = body.collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "3");
        assert_eq!(body.to_bytes(), "body");
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::TimedOut);
    }
}
