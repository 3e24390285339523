//! Status, content type, named headers, cookies and `grpc-status`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_mirror::compare::{Answer, Kind, Rules, differences};

use super::found;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn head(status: u16, pairs: &[(&'static str, &'static str)]) -> Answer {
    let status = StatusCode::from_u16(status).expect("a status");
    Answer::new(status, headers(pairs), Bytes::new())
}

fn named(names: &[&str]) -> Rules {
    let rules = Rules::builder().headers(names.iter().copied());
    rules.build().expect("valid rules")
}

fn between(rules: &Rules, a: &Answer, b: &Answer) -> String {
    found(rules, a, b).expect("cheap").join(", ")
}

#[test]
fn the_status_is_compared() {
    let rules = Rules::default();
    assert_eq!(
        between(&rules, &head(200, &[]), &head(500, &[])),
        ":status value"
    );
    // 204 and the answer to HEAD have no body, and nothing to say about one.
    assert_eq!(between(&rules, &head(204, &[]), &head(204, &[])), "");
    let (a, b) = (
        [
            ("content-type", "application/json"),
            ("content-length", "10"),
        ],
        [
            ("content-type", "application/json"),
            ("content-length", "12"),
        ],
    );
    assert_eq!(between(&rules, &head(200, &a), &head(200, &b)), "");
}

#[test]
fn the_content_type_is_its_type_and_charset() {
    let rules = Rules::default();
    let cases = [
        (
            "text/html; charset=utf-8",
            "Text/HTML;charset=\"UTF-8\"",
            "",
        ),
        (
            "multipart/mixed; boundary=a",
            "multipart/mixed; boundary=b",
            "",
        ),
        (
            "text/html",
            "text/html; charset=utf-8",
            ":header/content-type value",
        ),
        ("text/html", "text/plain", ":header/content-type value"),
    ];
    for (a, b, expected) in cases {
        let (a, b) = (
            head(200, &[("content-type", a)]),
            head(200, &[("content-type", b)]),
        );
        assert_eq!(between(&rules, &a, &b), expected);
    }
    let typed = head(200, &[("content-type", "text/html")]);
    assert_eq!(
        between(&rules, &typed, &head(200, &[])),
        ":header/content-type removed"
    );
    assert_eq!(
        between(&rules, &head(200, &[]), &typed),
        ":header/content-type added"
    );
}

#[test]
fn other_headers_are_compared_if_they_are_named() {
    let a = head(
        200,
        &[
            ("cache-control", "no-cache"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("etag", "1"),
            ("server", "a"),
        ],
    );
    let b = head(
        200,
        &[
            ("cache-control", "no-store"),
            ("x-a", "2"),
            ("x-a", "1"),
            ("etag", "2"),
            ("server", "b"),
        ],
    );
    assert_eq!(between(&Rules::default(), &a, &b), "");
    assert_eq!(
        between(&named(&["Cache-Control"]), &a, &b),
        ":header/cache-control value"
    );
    assert_eq!(
        between(&named(&["x-a", "etag"]), &a, &b),
        ":header/etag value, :header/x-a value"
    );
    assert_eq!(
        between(&named(&["x-a"]), &a, &head(200, &[])),
        ":header/x-a removed"
    );
    // The order of `vary` does not matter.
    let a = head(200, &[("vary", "Accept, Origin")]);
    let b = head(200, &[("vary", "origin"), ("vary", "accept")]);
    assert_eq!(between(&named(&["vary"]), &a, &b), "");
    assert_eq!(
        between(&named(&["vary"]), &a, &head(200, &[("vary", "accept")])),
        ":header/vary value"
    );
}

#[test]
fn headers_of_the_instance_cannot_be_named() {
    for name in [
        "Age",
        "Connection",
        "Content-Length",
        "Date",
        "Keep-Alive",
        "TE",
        "Traceparent",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "X-Request-Id",
        "X-GitHub-Request-Id",
        "X-RateLimit-Remaining",
        "RateLimit-Reset",
        "X-Runtime",
        "Set-Cookie",
    ] {
        assert!(Rules::builder().headers([name]).build().is_err(), "{name}");
    }
    for name in [
        "ETag",
        "Last-Modified",
        "Location",
        "Link",
        "Server",
        "X-Powered-By",
    ] {
        assert!(Rules::builder().headers([name]).build().is_ok(), "{name}");
    }
}

#[test]
fn the_path_of_a_redirect_is_compared() {
    let rules = Rules::default();
    let to = |status, location| head(status, &[("location", location)]);
    let cases = [
        ("http://v1:80/a?state=1", "https://v2/a?state=2#x", ""),
        ("http://v1", "http://v2/", ""),
        ("//v1/a", "/a", ""),
        ("/a", "/b", ":header/location value"),
        ("http://v1/a", "http://v1/b", ":header/location value"),
        ("a?next=http://x/y", "a?next=http://x/z", ""),
        ("/a//b", "/b", ":header/location value"),
    ];
    for (a, b, expected) in cases {
        assert_eq!(
            between(&rules, &to(302, a), &to(302, b)),
            expected,
            "{a} and {b}"
        );
    }
    assert_eq!(
        between(&rules, &to(302, "/a"), &head(302, &[])),
        ":header/location removed"
    );
    // The place of a new object is not compared, unless it is named.
    assert_eq!(between(&rules, &to(201, "/a"), &to(201, "/b")), "");
    assert_eq!(
        between(&named(&["location"]), &to(201, "/a"), &to(201, "/b")),
        ":header/location value"
    );
}

#[test]
fn cookies_are_their_names_and_attributes() {
    let rules = Rules::default();
    let cookie = |value| head(200, &[("set-cookie", value)]);
    let cases = [
        (
            "session=secret-1; Path=/; HttpOnly",
            "session=secret-2; httponly; path=/",
            "",
        ),
        (
            "session=1; Path=/",
            "session=1",
            ":set-cookie/session/Path removed",
        ),
        (
            "session=1",
            "session=1; Secure",
            ":set-cookie/session/Secure added",
        ),
        (
            "session=1; SameSite=Lax",
            "session=1; SameSite=None",
            ":set-cookie/session/SameSite value",
        ),
        (
            "session=1; Max-Age=60",
            "session=1; Max-Age=90",
            ":set-cookie/session/Max-Age value",
        ),
        // A time is noise, and its presence is not.
        (
            "s=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            "s=1; Expires=Wed, 21 Oct 2026 07:28:01 GMT",
            "",
        ),
        (
            "s=1",
            "s=1; Expires=Wed, 21 Oct 2026 07:28:01 GMT",
            ":set-cookie/s/Expires added",
        ),
        ("a=1", "b=1", ":set-cookie/a removed, :set-cookie/b added"),
        (
            "id_0123456789abcdef=1",
            "0123456789abcdef=1",
            ":set-cookie/id_0123456789abcdef removed, :set-cookie/{key} added",
        ),
    ];
    for (a, b, expected) in cases {
        assert_eq!(
            between(&rules, &cookie(a), &cookie(b)),
            expected,
            "{a} and {b}"
        );
    }
    // Cookies have no order.
    let a = head(200, &[("set-cookie", "a=1"), ("set-cookie", "b=1")]);
    let b = head(200, &[("set-cookie", "b=2"), ("set-cookie", "a=2")]);
    assert_eq!(between(&rules, &a, &b), "");
}

#[test]
fn the_grpc_status_is_in_trailers_or_in_the_head() {
    let rules = Rules::default();
    let grpc = ("content-type", "application/grpc+proto");
    let trailers = |status, message| {
        head(200, &[grpc]).with_trailers(headers(&[
            ("grpc-status", status),
            ("grpc-message", message),
        ]))
    };
    let only = |status| head(200, &[grpc, ("grpc-status", status)]);
    assert_eq!(
        between(&rules, &trailers("0", "a"), &trailers("0", "b")),
        ""
    );
    assert_eq!(between(&rules, &trailers("5", "a"), &only("5")), "");
    assert_eq!(
        between(&rules, &trailers("0", ""), &trailers("13", "")),
        ":grpc-status value"
    );
    assert_eq!(
        between(&rules, &only("0"), &only("13")),
        ":grpc-status value"
    );
    assert_eq!(
        between(&rules, &only("0"), &head(200, &[grpc])),
        ":grpc-status removed"
    );
    // A proxy's answer in place of v2's.
    let html = head(502, &[("content-type", "text/html")]);
    assert_eq!(
        between(&rules, &only("0"), &html),
        ":grpc-status removed, :header/content-type value, :status value"
    );
    // Trailers of other protocols are not compared.
    let plain = |status| head(200, &[]).with_trailers(headers(&[("grpc-status", status)]));
    assert_eq!(between(&rules, &plain("0"), &plain("1")), "");
}

#[test]
fn differences_of_heads_can_be_expected() {
    let rules = Rules::builder()
        .headers(["cache-control"])
        .expect(":status", Kind::Value)
        .expect(":header/Cache-Control", Kind::Removed)
        .expect(":set-cookie/session/samesite", Kind::Value)
        .build()
        .expect("valid rules");
    let a = head(
        200,
        &[
            ("cache-control", "x"),
            ("set-cookie", "session=1; SameSite=Lax; Path=/"),
        ],
    );
    let b = head(201, &[("set-cookie", "session=1; SameSite=None; Path=/b")]);
    let found = differences(&rules, &a, &b).expect("cheap");
    let unexpected: Vec<_> = found
        .iter()
        .filter(|d| !d.is_expected)
        .map(ToString::to_string)
        .collect();
    assert_eq!(unexpected, [":set-cookie/session/Path value"]);
    assert_eq!(found.len(), 4);
}
