//! M2: a copy is exact or absent, and the primary reads the same body as without the layer.

use http::{HeaderMap, Method, Request};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_mirror::{MirrorLayer, Outcome, TeeBody};
use tower_mirror_testing::*;

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let values = headers.get_all(name).iter();
    values.filter_map(|value| value.to_str().ok()).collect()
}

/// Sends one POST. Returns the bodies that the primary and the shadow have read, and the outcome.
async fn post(script: Script) -> (Stream, Copy) {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = MirrorLayer::new(shadow.share());
    let request = Request::post("/").body(script).expect("a request");
    serve(&mirror, &primary, request).await.expect("an answer");
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
    (primary.one().1, shadow.one())
}

#[tokio::test(start_paused = true)]
async fn bodies_are_equal_over_all_chunkings() {
    let chunkings: [&[usize]; 12] = [
        &[],
        &[0],
        &[1],
        &[1; 40],
        &[0, 5, 0, 0, 7, 0],
        &[1023, 1024, 1025],
        &[8191],
        &[8192],
        &[8193, 1, 8193],
        &[65_536; 3],
        &[1, 65_536, 0, 3],
        &[0, 0, 0],
    ];
    for chunks in chunkings {
        for (knows_length, knows_end) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let mut script = Script::chunks(chunks.iter().copied());
            if knows_length {
                script = script.knowing_length();
            }
            if knows_end {
                script = script.knowing_end();
            }
            let (primary, copy) = post(script).await;

            let length = chunks.iter().sum::<usize>();
            assert_eq!(primary.bytes().len(), length, "{chunks:?}");
            assert_eq!(copy.stream, primary.without_empty(), "{chunks:?}");
            assert_eq!(copy.exact, Some(length as u64), "{chunks:?}");
            assert_eq!(copy.says_ended, length == 0, "{chunks:?}");
            let declared = header(&copy.head.headers, "content-length").join("|");
            assert_eq!(declared, length.to_string(), "{chunks:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pending_polls_change_nothing() {
    let script = Script::new([Step::Pending, Step::Pending])
        .then(Step::Data(pattern(10)))
        .then(Step::Pending)
        .then(Step::Data(pattern(9000)))
        .then(Step::Pending);
    let (primary, copy) = post(script).await;
    assert_eq!(copy.stream, primary);
    assert_eq!(copy.stream.bytes().len(), 9010);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_an_exact_length_never_asks_for_the_end() {
    let cases = [
        (Script::chunks([5, 6]).knowing_end(), Outcome::Completed),
        (Script::chunks([0, 11]).knowing_end(), Outcome::Completed),
        // All declared bytes were read, so only the end can follow.
        (Script::chunks([11]), Outcome::Completed),
        (Script::chunks([11, 0]).knowing_end(), Outcome::Completed),
        (Script::chunks([11]).then(Step::Hang), Outcome::Completed),
        (Script::chunks([11]).then(Step::Error), Outcome::BodyError),
    ];
    for (script, outcome) in cases {
        let shadow = TestShadow::recording();
        let primary = Primary::new(Reads::Bytes(11), Then::Answers(200));
        let mirror = MirrorLayer::new(shadow.share());
        let request = Request::post("/").body(script.knowing_length()).unwrap();
        serve(&mirror, &primary, request).await.unwrap();

        assert_only(&settled(&mirror.handle(), 1).await, outcome);
        assert_eq!(primary.one().1.end, End::LetGo);
        for copy in shadow.copies() {
            assert_eq!(copy.stream.bytes(), primary.one().1.bytes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn small_frames_are_copied_and_large_ones_shared() {
    // A shorter frame may be a slice of a read buffer that is many times larger.
    const SHARED_FROM: usize = 128 << 10;
    let lengths = [1, 8192, SHARED_FROM - 1, SHARED_FROM, 1 << 20];
    for (length, is_shared) in lengths.map(|length| (length, length >= SHARED_FROM)) {
        let data = pattern(length);
        let (primary, copy) = post(Script::new([Step::Data(data.clone())])).await;
        let place = |stream: &Stream| match &stream.pieces[..] {
            [Piece::Data(data)] => data.as_ptr(),
            other => panic!("expected exactly one frame: {other:?}"),
        };
        assert_eq!(
            place(&primary),
            data.as_ptr(),
            "the primary has the original frame"
        );
        assert_eq!(place(&copy.stream) == data.as_ptr(), is_shared, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_on_a_body_is_exact() {
    const CAP: usize = 10_000;
    let cases: [(&[usize], Outcome); 6] = [
        (&[CAP], Outcome::Completed),
        (&[1, CAP - 1, 0], Outcome::Completed),
        (&[4000, 4000, 2000], Outcome::Completed),
        (&[CAP + 1], Outcome::TooLarge),
        (&[CAP, 1], Outcome::TooLarge),
        (&[4000, 4000, 2001, 3000], Outcome::TooLarge),
    ];
    for (chunks, outcome) in cases {
        for is_declared in [false, true] {
            let (shadow, primary) = (TestShadow::recording(), Primary::reading());
            let mirror = MirrorLayer::builder(shadow.share())
                .max_body_bytes(CAP as u64)
                .build();
            let mut script = Script::chunks(chunks.iter().copied());
            if is_declared {
                script = script.knowing_length();
            }
            let request = Request::post("/").body(script).unwrap();
            let answer = mirror.layer(primary.clone()).call(request);
            if is_declared && outcome == Outcome::TooLarge {
                let stats = mirror.handle().stats();
                assert_only(&stats, Outcome::TooLarge);
                assert_eq!(stats.admitted() + stats.buffered_bytes() as u64, 0);
            }
            answer.await.unwrap();

            let stats = settled(&mirror.handle(), 1).await;
            assert_only(&stats, outcome);
            let read = primary.one().1;
            assert_eq!(read.end, End::Whole);
            assert_eq!(read.bytes().len(), chunks.iter().sum::<usize>());
            let copies = u64::from(outcome == Outcome::Completed);
            assert_eq!(shadow.copies().len() as u64, copies);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_copy_of_a_body_that_turns_out_too_large_ends_midway() {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = MirrorLayer::builder(shadow.share())
        .max_body_bytes(1000)
        .build();
    let handle = mirror.handle();
    let (feed, body) = Feed::new();
    let request = Request::post("/").body(body).unwrap();
    let answer = tokio::spawn(mirror.layer(primary.clone()).call(request));

    feed.send(pattern(1000)).unwrap();
    tokio::task::yield_now().await;
    assert_eq!(handle.stats().in_flight(), 1);
    feed.send(pattern(1)).unwrap();
    assert_only(&settled(&handle, 1).await, Outcome::TooLarge);

    feed.send(pattern(50_000)).unwrap();
    tokio::task::yield_now().await;
    assert_eq!(handle.stats().buffered_bytes(), 0);
    drop(feed);
    answer.await.unwrap().unwrap();
    assert_eq!(primary.one().1.bytes().len(), 51_001);
    assert!(shadow.copies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn trailers_reach_both_sides() {
    let repeated = {
        let mut fields = trailers(&[("x-sum", "1"), ("x-other", "2")]);
        fields.append("x-sum", "3".parse().unwrap());
        fields
    };
    let cases = [
        (Script::chunks([5]), trailers(&[("x-sum", "1")]), "x-sum"),
        (Script::chunks([]), trailers(&[("x-sum", "1")]), "x-sum"),
        (Script::chunks([9000, 0]), repeated, "x-sum, x-other"),
    ];
    for (script, fields, names) in cases {
        for knows_end in [true, false] {
            let mut script = script.clone().then(Step::Trailers(fields.clone()));
            if knows_end {
                script = script.knowing_end();
            }
            let (shadow, primary) = (TestShadow::recording(), Primary::reading());
            let mirror = MirrorLayer::new(shadow.share());
            let request = Request::post("/")
                .header("transfer-encoding", "chunked")
                .header("trailer", "x-announced-only")
                .header("content-length", "5")
                .body(script)
                .unwrap();
            serve(&mirror, &primary, request).await.unwrap();
            assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);

            let (read, copy) = (primary.one().1, shadow.one());
            assert_eq!(read.pieces.last(), Some(&Piece::Trailers(fields.clone())));
            assert_eq!(copy.stream, read.without_empty());
            assert_eq!(copy.exact, None, "hyper drops trailers of an exact length");
            assert_eq!(header(&copy.head.headers, "trailer"), [names]);
            assert_eq!(header(&copy.head.headers, "content-length"), [""; 0]);
            assert_eq!(header(&copy.head.headers, "transfer-encoding"), ["chunked"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_without_a_field_announce_nothing() {
    let script = Script::chunks([5]).then(Step::Trailers(HeaderMap::new()));
    let (primary, copy) = post(script).await;
    assert_eq!(copy.stream.bytes(), primary.bytes());
    assert_eq!(copy.stream.end, End::Whole);
    assert_eq!(header(&copy.head.headers, "trailer"), [""; 0]);
}

/// hyper's clients do not poll a body after its trailers.
#[tokio::test(start_paused = true)]
async fn trailers_are_the_end_for_a_reader_that_stops_there() {
    use http_body_util::BodyExt;

    let script = Script::chunks([5]).then(Step::Trailers(trailers(&[("x-sum", "1")])));
    let stops_at_trailers = service_fn(async |mut request: Request<TeeBody<Script>>| {
        let body = request.body_mut();
        while !body
            .frame()
            .await
            .expect("trailers")
            .expect("no error")
            .is_trailers()
        {}
        Ok::<_, std::convert::Infallible>(http::Response::new(()))
    });
    let shadow = TestShadow::recording();
    let mirror = MirrorLayer::new(shadow.share());
    let request = Request::post("/").body(script).unwrap();
    mirror
        .layer(stops_at_trailers)
        .oneshot(request)
        .await
        .unwrap();
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
    assert_eq!(shadow.one().stream.end, End::Whole);
}

#[tokio::test(start_paused = true)]
async fn the_content_length_is_that_of_the_body_really_sent() {
    type Headers = &'static [(&'static str, &'static str)];
    const NONE: Headers = &[];
    const CHUNKED: Headers = &[("transfer-encoding", "chunked")];
    const ZERO: Headers = &[("content-length", "0")];
    const FIVE: Headers = &[("content-length", "5")];
    let ended = || Script::default().knowing_end();
    let unknown = |chunks: &[usize]| Script::chunks(chunks.iter().copied());
    let cases: [(Method, Headers, Script, Option<&str>); 13] = [
        (Method::GET, NONE, ended(), None),
        (Method::GET, NONE, unknown(&[]), None),
        (Method::GET, ZERO, ended(), Some("0")),
        (Method::GET, NONE, unknown(&[5]), Some("5")),
        (Method::GET, CHUNKED, unknown(&[5]), Some("5")),
        (Method::DELETE, CHUNKED, unknown(&[]), Some("0")),
        (Method::DELETE, NONE, ended(), None),
        (Method::POST, NONE, ended(), Some("0")),
        (Method::POST, ZERO, ended(), Some("0")),
        (Method::POST, FIVE, unknown(&[5]), Some("5")),
        (Method::PUT, CHUNKED, unknown(&[9000, 5]), Some("9005")),
        (Method::PATCH, NONE, unknown(&[]), Some("0")),
        (
            Method::PUT,
            &[("content-length", "5"), ("content-length", "5")],
            unknown(&[5]),
            Some("5"),
        ),
    ];
    for (method, headers, script, expected) in cases {
        let case = format!("{method} {headers:?} {script:?}");
        let (shadow, primary) = (TestShadow::recording(), Primary::reading());
        let mirror = MirrorLayer::new(shadow.share());
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        serve(&mirror, &primary, request.body(script).unwrap())
            .await
            .unwrap();
        settled(&mirror.handle(), 1).await;

        let copy = shadow.one();
        let found = header(&copy.head.headers, "content-length");
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{case}");
        assert!(!copy.head.headers.contains_key("transfer-encoding"));
        assert_eq!(copy.stream.bytes(), primary.one().1.bytes(), "{case}");
        assert!(primary.one().0.headers.len() == headers.len(), "{case}");
    }
}
