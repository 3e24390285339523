//! Bodies by their content type: lines, events, gRPC, multipart, text, bytes, and encodings.

use bytes::Bytes;
use http::Response;
use tower_mirror::compare::{Answer, Json, NotCompared, NotJudged, Rules};

use super::{answer, found};

fn between(content_type: &str, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> String {
    let (a, b) = (answer(content_type, a), answer(content_type, b));
    found(&Rules::default(), &a, &b).expect("cheap").join(", ")
}

#[test]
fn json_has_many_content_types() {
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/problem+json",
        "application/vnd.github.v3+json",
        "text/json",
    ] {
        assert_eq!(between(content_type, "[1]", "[ 1 ]"), "", "{content_type}");
    }
    for content_type in [
        "text/plain",
        "application/jsonx",
        "application/octet-stream",
    ] {
        assert_eq!(
            between(content_type, "[1]", "[ 1 ]"),
            ":body length",
            "{content_type}"
        );
    }
}

#[test]
fn each_line_of_ndjson_is_an_element() {
    let cases = [
        ("{\"a\":1}\n{\"a\":2}\n", "{ \"a\":1}\r\n\n{\"a\":2}", ""),
        (
            "{\"a\":1}\n{\"a\":2}\n",
            "{\"a\":1}\n{\"a\":3}\n",
            "/*/a value",
        ),
        ("1\n2\n", "1\n2\n3\n", ":body length"),
        ("1\n2\n", "1\n{\n", "/* syntax"),
        ("1\nx\n", "2\nx\n", "/* value"),
    ];
    for content_type in [
        "application/x-ndjson",
        "application/jsonl",
        "application/ndjson",
    ] {
        for (a, b, expected) in cases {
            assert_eq!(between(content_type, a, b), expected, "{a} and {b}");
        }
    }
    let rules = Rules::builder().json(Json::new().ignore("/*/id"));
    let lines = |text| answer("application/x-ndjson", text);
    let compared = found(
        &rules.build().expect("valid rules"),
        &lines("{\"id\":1,\"a\":1}\n{\"id\":2}\n"),
        &lines("{\"id\":3,\"a\":2}\n{\"id\":4}\n"),
    );
    assert_eq!(compared, Ok(vec!["/*/a value".to_owned()]));
}

#[test]
fn each_event_of_a_stream_is_an_element() {
    let cases = [
        // `id`, `retry` and comments do not count, nor does the end of a line.
        (
            "id: 1\ndata: {\"a\":1}\n\n",
            ": hello\r\nid: 2\r\nretry: 10\r\ndata:{ \"a\":1}\r\n\r\n",
            "",
        ),
        ("data: {\"a\":\ndata: 1}\n\n", "data: {\"a\": 1}\n\n", ""),
        ("data: {\"a\":1}\n\n", "data: {\"a\":2}\n\n", "/*/a value"),
        (
            "data: 1\n\ndata: [DONE]\n\n",
            "data: 2\n\ndata: [DONE]\n\n",
            "/* value",
        ),
        (
            "event: a\ndata: 1\n\n",
            "event: b\ndata: 1\n\n",
            "/*/:event value",
        ),
        ("data: 1\n\n", "data: 1\n\ndata: 2\n\n", ":body length"),
        // An event without its empty line is not an event yet.
        ("data: 1\n\n", "data: 1\n\ndata: 2\n", ""),
        ("data: 1\n\n", "\u{feff}data: 1\n\nevent: a\n\n", ""),
        ("data: hello\n\n", "data: world\n\n", "/* value"),
        ("data: hello\n\n", "data: \"hello\"\n\n", "/* syntax"),
        ("data\n\n", "data:\n\n", ""),
        // The name belongs to one event only, also to one without data.
        ("event: a\n\ndata: 1\n\n", "data: 1\n\n", ""),
    ];
    for (a, b, expected) in cases {
        assert_eq!(
            between("text/event-stream", a, b),
            expected,
            "{a:?} and {b:?}"
        );
    }
}

fn messages(messages: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for message in messages {
        body.push(0);
        body.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
        body.extend(message.as_bytes());
    }
    body
}

#[test]
fn grpc_messages_are_counted_and_compared_by_bytes() {
    let grpc = "application/grpc";
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["one", "two"], &["one", "two"], ""),
        (&["one", "two"], &["one"], ":body length"),
        (&["one", "two"], &["one", "TWO"], "/* value"),
        (
            &["one", "two", "3"],
            &["one", "", "4"],
            "/* length, /* value",
        ),
        (&[], &[""], ":body length"),
    ];
    for (a, b, expected) in cases {
        assert_eq!(
            between(grpc, messages(a), messages(b)),
            *expected,
            "{a:?} and {b:?}"
        );
    }
    let whole = messages(&["one"]);
    let mut compressed = whole.clone();
    compressed[0] = 1;
    assert_eq!(between(grpc, &whole, &compressed), "/* value");
    assert_eq!(between(grpc, &whole, &whole[..7]), ":body syntax");
    assert_eq!(between(grpc, &whole[..3], &whole[..4]), ":body value");
    assert_eq!(
        between(grpc, &whole, [0, 255, 255, 255, 255, 1]),
        ":body syntax"
    );
    // Not gRPC, although it begins alike.
    assert_eq!(
        between(
            "application/grpc-web",
            messages(&["one"]),
            messages(&["two"])
        ),
        ":body value"
    );
}

#[test]
fn the_parts_of_a_multipart_body_are_compared_in_order() {
    let of = |boundary: &str, parts: &[(&str, &str)], end: &str| {
        let mut body = String::from("preamble\r\n");
        for (name, content) in parts {
            body += &format!("--{boundary}\r\n");
            if !name.is_empty() {
                body += &format!(
                    "content-disposition: form-data; name=\"{name}\"\r\nx: {boundary}\r\n"
                );
            }
            body += &format!("\r\n{content}\r\n");
        }
        let body = format!("{body}--{boundary}{end}");
        answer(
            &format!("multipart/form-data; boundary=\"{boundary}\""),
            body,
        )
    };
    let a = of("aa", &[("x", "1"), ("y", "a\r\n\r\nb")], "--\r\n");
    let cases = [
        (of("b", &[("x", "1"), ("y", "a\r\n\r\nb")], "--"), ""),
        (
            of("b", &[("x", "2"), ("y", "a\r\n\r\nb")], "--"),
            "/* value",
        ),
        (
            of("b", &[("x", "1"), ("z", "a\r\n\r\nb")], "--"),
            "/*/:name value",
        ),
        (
            of("b", &[("", "1"), ("y", "a\r\n\r\nb")], "--"),
            "/*/:name value",
        ),
        (of("b", &[("x", "1")], "--"), ":body length"),
        (
            of("b", &[("x", "1"), ("y", "a\r\n\r\nb")], ""),
            ":body syntax",
        ),
    ];
    for (b, expected) in cases {
        assert_eq!(
            found(&Rules::default(), &a, &b).expect("cheap").join(", "),
            expected
        );
    }
    let plain = |text| answer("multipart/mixed", text);
    assert_eq!(
        found(&Rules::default(), &plain("a"), &plain("b")),
        Ok(vec![":body value".into()])
    );
}

#[test]
fn other_bodies_are_equal_or_not() {
    let text = "a".repeat(100);
    let (near, far) = (
        format!("{text}{}", "b".repeat(11)),
        format!("{text}{}", "b".repeat(12)),
    );
    for content_type in ["text/plain", "text/html", "image/png"] {
        assert_eq!(between(content_type, &text, &text), "");
        assert_eq!(
            between(content_type, &text, text.replacen('a', "b", 1)),
            ":body value"
        );
        assert_eq!(between(content_type, &text, &near), ":body value");
        assert_eq!(between(content_type, &far, &text), ":body length");
    }
}

#[test]
fn bodies_of_different_formats_have_another_type() {
    let (a, b) = (
        answer("application/json", "[1]"),
        answer("text/html", "<p>"),
    );
    assert_eq!(
        found(&Rules::default(), &a, &b),
        Ok(vec![
            ":body type".into(),
            ":header/content-type value".into()
        ])
    );
}

#[test]
fn encoded_bodies_are_equal_or_not_judged() {
    let encoded = |coding: &str, body: &'static [u8]| {
        let answer = Response::builder().header("content-encoding", coding);
        let answer = answer.header("content-type", "application/json");
        Answer::from(answer.body(Bytes::from_static(body)).expect("a head"))
    };
    let rules = Rules::default();
    let same = |a: &Answer, b: &Answer| found(&rules, a, b);
    let not_judged = Err(NotCompared::Body(NotJudged::Encoded));
    assert_eq!(
        same(&encoded("gzip", b"\x1f1"), &encoded("GZIP", b"\x1f1")),
        Ok(vec![])
    );
    assert_eq!(
        same(&encoded("gzip", b"\x1f1"), &encoded("gzip", b"\x1f2")),
        not_judged
    );
    assert_eq!(
        same(&encoded("gzip", b"1"), &encoded("br", b"1")),
        not_judged
    );
    assert_eq!(
        same(&encoded("gzip", b"1"), &answer("application/json", "1")),
        not_judged
    );
    assert_eq!(
        same(
            &encoded("identity", b"1"),
            &answer("application/json", "1 ")
        ),
        Ok(vec![])
    );
}
