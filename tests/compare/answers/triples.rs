//! Three answers to one request: what is cancelled, what counts, and what is left out.

use http::{HeaderMap, StatusCode};
use proptest::{collection::vec, prelude::*};
use tower_mirror::compare::{Answer, Comparer, Json, Kind, NotCompared, NotJudged, Rules};

use super::{answer, json};

/// The result of one request as text: shadow only, baseline only, both.
fn compared(
    rules: Rules,
    [primary, shadow, baseline]: [&Answer; 3],
) -> Result<[String; 3], NotCompared> {
    let mut comparer = Comparer::new(rules);
    // Five times, so that keys have names.
    for _ in 0..4 {
        comparer.compare(primary, shadow, Some(baseline))?;
    }
    let compared = comparer.compare(primary, shadow, Some(baseline))?;
    let lists = [
        &compared.shadow_only,
        &compared.baseline_only,
        &compared.both,
    ];
    Ok(lists.map(|list| {
        let differences = list.iter();
        let differences =
            differences.map(|(path, kind)| format!("{} {kind}", comparer.path(*path)));
        let mut differences: Vec<_> = differences.collect();
        differences.sort();
        differences.join(", ")
    }))
}

fn of(texts: [&str; 3]) -> [String; 3] {
    let answers = texts.map(json);
    compared(Rules::default(), answers.each_ref()).expect("comparable")
}

#[test]
fn what_both_differ_in_is_cancelled() {
    let cases = [
        (
            [r#"{"t":1}"#, r#"{"t":2}"#, r#"{"t":3}"#],
            ["", "", "/t value"],
        ),
        (
            [r#"{"t":1}"#, r#"{"t":2}"#, r#"{"t":1}"#],
            ["/t value", "", ""],
        ),
        (
            [r#"{"t":1}"#, r#"{"t":1}"#, r#"{"t":2}"#],
            ["", "/t value", ""],
        ),
        ([r#"{"t":1}"#, r#"{"t":1}"#, r#"{ "t":1.0}"#], ["", "", ""]),
        // The same path in another way is another difference.
        (
            [r#"{"t":1}"#, r#"{"t":"1"}"#, r#"{"t":2}"#],
            ["/t type", "/t value", ""],
        ),
        (
            [r#"{"t":1,"n":1}"#, r#"{"t":2,"n":2}"#, r#"{"t":3}"#],
            ["/n value", "/n removed", "/t value"],
        ),
        // Random identifiers as keys: both have removed one and added one.
        (
            [
                r#"{"10000001":1}"#,
                r#"{"10000002":1}"#,
                r#"{"10000003":1}"#,
            ],
            ["", "", "/{key} added, /{key} removed"],
        ),
    ];
    for (texts, expected) in cases {
        assert_eq!(of(texts), expected, "{texts:?}");
    }
}

#[test]
fn without_a_baseline_all_differences_are_the_shadows() {
    let mut comparer = Comparer::new(Rules::default());
    let compared = comparer
        .compare(&json("1"), &json("2"), None)
        .expect("comparable");
    assert_eq!(
        (
            compared.shadow_only.len(),
            compared.baseline_only.len(),
            compared.both.len()
        ),
        (1, 0, 0)
    );
}

#[test]
fn an_expected_difference_does_not_count() {
    let rules = || {
        Rules::builder()
            .expect("/image", Kind::Added)
            .build()
            .expect("valid rules")
    };
    let (v1, v2) = (json(r#"{"n":1}"#), json(r#"{"n":1,"image":"x"}"#));
    let nothing = ["", "", ""].map(str::to_owned);
    assert_eq!(compared(rules(), [&v1, &v2, &v1]), Ok(nothing.clone()));
    // The rule treats the baseline in the same way.
    assert_eq!(compared(rules(), [&v1, &v1, &v2]), Ok(nothing));
    let mut comparer = Comparer::new(rules());
    let expected = comparer
        .compare(&v1, &v2, Some(&v1))
        .expect("comparable")
        .expected;
    assert_eq!(expected.len(), 1);
    // All other differences count as before.
    let broken = json(r#"{"image":"x"}"#);
    assert_eq!(
        compared(rules(), [&v1, &broken, &v1]).expect("comparable")[0],
        "/n removed"
    );
}

fn status(status: u16) -> Answer {
    Answer::new(
        StatusCode::from_u16(status).expect("a status"),
        HeaderMap::new(),
        Default::default(),
    )
}

#[test]
fn requests_that_say_nothing_are_left_out() {
    let ok = status(200);
    let [s206, s304, s429, s500, s503] = [206, 304, 429, 500, 503].map(status);
    let of = |answers| compared(Rules::default(), answers);
    let cut = Answer::cut(StatusCode::OK, HeaderMap::new());
    let too_long = Answer::too_long(StatusCode::OK, HeaderMap::new());
    let missing = Answer::missing();
    for (answers, reason) in [
        ([&s304, &ok, &ok], NotCompared::Conditional),
        ([&ok, &s304, &ok], NotCompared::Conditional),
        ([&ok, &ok, &s304], NotCompared::Conditional),
        ([&ok, &ok, &s206], NotCompared::Conditional),
        ([&s429, &ok, &ok], NotCompared::PrimaryRefused),
        ([&s503, &ok, &ok], NotCompared::PrimaryRefused),
        ([&cut, &ok, &ok], NotCompared::PrimaryIncomplete),
        ([&too_long, &ok, &ok], NotCompared::PrimaryIncomplete),
        ([&missing, &ok, &ok], NotCompared::PrimaryIncomplete),
    ] {
        assert_eq!(of(answers), Err(reason), "{reason}");
    }
    // An error of the copies is a difference, also the statuses that a primary may not have.
    assert_eq!(
        of([&ok, &s503, &ok]).expect("comparable")[0],
        ":status value"
    );
    assert_eq!(
        of([&s500, &s500, &ok]).expect("comparable")[1],
        ":status value"
    );
}

#[test]
fn a_costly_pair_leaves_the_request_out() {
    let hostile = |is_reversed: bool| {
        let mut text = format!("{:?}", "x".repeat(10_000));
        for _ in 0..100 {
            text = match is_reversed {
                false => format!("{{\"a\":1,\"v\":{text}}}"),
                true => format!("{{\"v\":{text},\"a\":1}}"),
            };
        }
        json(text)
    };
    let (primary, costly) = (hostile(false), hostile(true));
    let reason = Err(NotCompared::TooCostly);
    assert_eq!(
        compared(Rules::default(), [&primary, &costly, &primary]),
        reason
    );
    assert_eq!(
        compared(Rules::default(), [&primary, &primary, &costly]),
        reason
    );
}

#[test]
fn an_answer_that_did_not_arrive_is_a_difference() {
    let ok = answer("text/plain", "text");
    let (head, _) = http::Response::builder()
        .header("content-type", "text/plain")
        .body(())
        .expect("a head")
        .into_parts();
    let cut = Answer::cut(StatusCode::OK, head.headers.clone());
    let too_long = Answer::too_long(StatusCode::OK, head.headers.clone());
    let missing = Answer::missing();
    let of = |answers| compared(Rules::default(), answers).expect("comparable");
    assert_eq!(of([&ok, &missing, &ok]), [":no answer removed", "", ""]);
    assert_eq!(of([&ok, &ok, &missing]), ["", ":no answer removed", ""]);
    // Both were silent: cancelled, and shown.
    assert_eq!(
        of([&ok, &missing, &missing]),
        ["", "", ":no answer removed"]
    );
    assert_eq!(of([&ok, &cut, &ok]), [":cut removed", "", ""]);
    assert_eq!(of([&ok, &ok, &cut]), ["", ":cut removed", ""]);
    assert_eq!(
        of([&ok, &too_long, &cut]),
        [":too long length", ":cut removed", ""]
    );
    // The head has arrived, and is compared.
    let failed = Answer::cut(StatusCode::BAD_GATEWAY, head.headers);
    assert_eq!(
        of([&ok, &failed, &ok]),
        [":cut removed, :status value", "", ""]
    );
}

#[test]
fn a_body_that_cannot_be_judged_is_judged_on_neither_side() {
    let (v1, v2) = (json("1"), json("2"));
    let (head, _) = http::Response::builder()
        .header("content-type", "application/json")
        .body(())
        .expect("a head")
        .into_parts();
    let streaming = Answer::streaming(StatusCode::OK, head.headers.clone());
    let failing = Answer::streaming(StatusCode::NOT_FOUND, head.headers);
    let mut comparer = Comparer::new(Rules::default());
    for answers in [
        [&v1, &streaming, &v2],
        [&v1, &v2, &streaming],
        [&streaming, &v1, &v2],
    ] {
        let compared = comparer
            .compare(answers[0], answers[1], Some(answers[2]))
            .expect("comparable");
        assert_eq!(compared.not_judged, Some(NotJudged::Streaming));
        assert!(compared.shadow_only.is_empty() && compared.baseline_only.is_empty());
    }
    let compared = comparer
        .compare(&v1, &failing, Some(&v2))
        .expect("comparable");
    assert_eq!(
        (compared.shadow_only.len(), compared.baseline_only.len()),
        (1, 0)
    );
    let mut gzip = http::Response::new(bytes::Bytes::from_static(b"\x1f\x8b"));
    gzip.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    gzip.headers_mut()
        .insert("content-encoding", http::HeaderValue::from_static("gzip"));
    let compared = comparer
        .compare(&v1, &Answer::from(gzip), Some(&v2))
        .expect("comparable");
    assert_eq!(compared.not_judged, Some(NotJudged::Encoded));
    assert!(compared.shadow_only.is_empty() && compared.baseline_only.is_empty());
}

#[test]
fn bodies_without_an_equal_value_are_blind() {
    let rules = || {
        let json = Json::new().ignore("/i").shape("/s").unordered("/u");
        let rules = Rules::builder().json(json).expect("/e", Kind::Value);
        rules.build().expect("valid rules")
    };
    let is_blind = |[primary, shadow, baseline]: [Answer; 3]| {
        let mut comparer = Comparer::new(rules());
        let compared = comparer.compare(&primary, &shadow, Some(&baseline));
        compared.expect("comparable").is_blind
    };
    for (bodies, blind) in [
        // The same bytes, or one value that is the same.
        ([r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1}"#], false),
        (
            [
                r#"{"a":1,"b":[5]}"#,
                r#"{"a":2,"b":[5]}"#,
                r#"{"a":3,"b":[5]}"#,
            ],
            false,
        ),
        (
            [
                r#"{"a":1,"b":{}}"#,
                r#"{"a":2,"b":{}}"#,
                r#"{"a":3,"b":{}}"#,
            ],
            false,
        ),
        // Also where the keys have another order, and for elements in another order.
        (
            [r#"{"a":1,"b":5}"#, r#"{"b":5,"a":2}"#, r#"{"b":5,"a":3}"#],
            false,
        ),
        (["[[1],[2]]", "[[2],[1]]", "[[2],[1]]"], false),
        (
            [
                r#"{"a":1,"u":[1,2]}"#,
                r#"{"a":2,"u":[2,1]}"#,
                r#"{"a":3,"u":[2,1]}"#,
            ],
            false,
        ),
        // Only noise.
        (["1", "2", "3"], true),
        (
            [
                r#"{"a":1,"b":["x"]}"#,
                r#"{"a":2,"b":["y"]}"#,
                r#"{"a":3,"b":["z"]}"#,
            ],
            true,
        ),
        // The elements of arrays with different lengths are not aligned.
        ([r#"{"a":[1]}"#, r#"{"a":[1,2]}"#, r#"{"a":[1,3]}"#], true),
        // A value that the rules hide cannot show a difference.
        (
            [
                r#"{"a":1,"i":5,"s":5}"#,
                r#"{"a":2,"i":5,"s":5}"#,
                r#"{"a":3,"i":5,"s":5}"#,
            ],
            true,
        ),
        (
            [
                r#"{"a":1,"i":5,"s":5}"#,
                r#"{"i":5,"s":5,"a":2}"#,
                r#"{"i":5,"s":5,"a":3}"#,
            ],
            true,
        ),
        // One copy that shares no value is enough.
        ([r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":2}"#], true),
        ([r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":1}"#], true),
        // A wanted difference and an ignored one are not noise.
        ([r#"{"e":1}"#, r#"{"e":2}"#, r#"{"e":1}"#], false),
        ([r#"{"i":1}"#, r#"{"i":2}"#, r#"{"i":3}"#], false),
    ] {
        assert_eq!(is_blind(bodies.map(json)), blind, "{bodies:?}");
    }
    let lines =
        |bodies: [&str; 3]| is_blind(bodies.map(|body| answer("application/x-ndjson", body)));
    assert!(!lines(["1\n2\n", "1\n3\n", "1\n4\n"]));
    assert!(lines(["1\n2\n", "2\n3\n", "3\n4\n"]));
    let text = |bodies: [&str; 3]| is_blind(bodies.map(|body| answer("text/plain", body)));
    assert!(text(["a", "b", "c"]));
    assert!(is_blind([json("1"), Answer::missing(), json("1")]));
}

fn text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("1"),
        Just("2"),
        Just("[1,2]"),
        Just("[2,1]"),
        Just("\"a\""),
        Just("[{\"k\":1},{\"k\":2}]")
    ];
    let members = vec(("[a-d]|[0-9]{8}", value), 0..6);
    members.prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    /// The error rate rests on this: to exchange the copies exchanges the sides.
    #[test]
    fn shadow_and_baseline_are_treated_alike(primary in text(), shadow in text(), baseline in text()) {
        let [primary, shadow, baseline] = [primary, shadow, baseline].map(json);
        let rules = || {
            let json = Json::new().shape("/a").unordered("/b").ignore("/c");
            Rules::builder().json(json).expect("/d", Kind::Added).build().expect("valid rules")
        };
        let [x, y, both] = compared(rules(), [&primary, &shadow, &baseline]).expect("comparable");
        let [other_x, other_y, other_both] = compared(rules(), [&primary, &baseline, &shadow]).expect("comparable");
        prop_assert_eq!([&x, &y, &both], [&other_y, &other_x, &other_both]);
        // A shadow that is the baseline has nothing of its own.
        let [x, y, _] = compared(rules(), [&primary, &shadow, &shadow]).expect("comparable");
        prop_assert_eq!([x, y], ["", ""]);
    }
}
