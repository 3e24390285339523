//! M8: the head of a copy.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{AUTHORIZATION, COOKIE},
    request::{Builder, Parts},
};
use tower_mirror::{
    BodyMode, HostRewrite, MirrorLayer, Outcome,
    mirror::MirrorBuilder,
    rewrite::{remove_headers, set_header},
};
use tower_mirror_testing::*;

type Fields = &'static [(&'static str, &'static str)];

fn with(request: Builder, fields: Fields) -> Builder {
    fields.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

fn empty() -> Script {
    Script::default().knowing_end()
}

fn list<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect()
}

/// Sends one request through a mirror. Returns the heads that the primary and the shadow received.
async fn both(
    request: Request<Script>,
    settings: impl FnOnce(MirrorBuilder) -> MirrorBuilder,
) -> (Parts, Parts) {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = settings(MirrorLayer::builder(shadow.share())).build();
    serve(&mirror, &primary, request).await.expect("an answer");
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
    (primary.one().0, shadow.one().head)
}

async fn copy(request: Request<Script>) -> Parts {
    both(request, |mirror| mirror).await.1
}

#[tokio::test(start_paused = true)]
async fn method_target_and_headers_are_equal() {
    let headers: Fields = &[
        ("accept", "a"),
        ("x-many", "1"),
        ("cookie", "a=1"),
        ("x-many", "2"),
        ("x-many", "1"),
        ("x-empty", ""),
        ("trailer-like", "x"),
    ];
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PURGE", "get"] {
        for target in ["/", "/a//b/%2F;x=1?q=1&q=2&", "/?", "/a?b=/../", "*"] {
            let request = with(Request::builder().method(method).uri(target), headers);
            let request = request.header("x-bytes", &b"\xff\x80"[..]);
            let (primary, copy) = both(request.body(empty()).unwrap(), |mirror| mirror).await;

            assert_eq!((&copy.method, &copy.uri), (&primary.method, &primary.uri));
            assert_eq!(copy.uri.to_string(), target);
            let mut headers = copy.headers;
            assert_eq!(headers.remove("x-mirrored-by").unwrap(), "mirror");
            assert_eq!(headers, primary.headers);
            assert_eq!(list(&headers, "x-many"), [b"1", b"2", b"1"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_target_is_in_origin_form_and_its_authority_is_the_host() {
    let cases: [(&str, Fields, &str, &[&str]); 16] = [
        ("/a?b", &[("host", "c:1")], "/a?b", &["c-shadow:1"]),
        ("/", &[("host", "c")], "/", &["c-shadow"]),
        ("/", &[], "/", &[]),
        ("http://c/a?b", &[], "/a?b", &["c-shadow"]),
        ("http://c", &[], "/", &["c-shadow"]),
        ("http://c?b", &[], "/?b", &["c-shadow"]),
        (
            "https://c:8443/a",
            &[("host", "other")],
            "/a",
            &["c-shadow:8443"],
        ),
        (
            "http://c/a",
            &[("host", "x"), ("host", "y")],
            "/a",
            &["c-shadow"],
        ),
        ("/a", &[("host", "x"), ("host", "y")], "/a", &["x-shadow"]),
        ("http://u:p@c:1/a", &[], "/a", &["c-shadow:1"]),
        ("http://u@c/a", &[("host", "x")], "/a", &["c-shadow"]),
        ("http://[::1]:8080/a", &[], "/a", &["[::1]:8080"]),
        ("/", &[("host", "[fc00::1]")], "/", &["[fc00::1]"]),
        ("/", &[("host", "")], "/", &[""]),
        ("/", &[("host", "localhost:abc")], "/", &["localhost:abc"]),
        ("*", &[("host", "c.example.")], "*", &["c.example-shadow."]),
    ];
    for (target, headers, expected, hosts) in cases {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let request = with(Request::get(target).version(version), headers);
            let (primary, copy) = both(request.body(empty()).unwrap(), |mirror| mirror).await;
            assert_eq!(copy.uri.to_string(), expected, "{target}");
            assert!(copy.uri.authority().is_none() && copy.uri.scheme().is_none());
            let hosts: Vec<_> = hosts.iter().map(|host| host.as_bytes()).collect();
            assert_eq!(list(&copy.headers, "host"), hosts, "{target} {headers:?}");
            assert_eq!(copy.version, Version::HTTP_11);
            // The primary's side shows none of these changes.
            assert_eq!(primary.uri, target);
            assert_eq!(list(&primary.headers, "host").len(), headers.len());
            assert_eq!(primary.version, version);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_of_odd_bytes_is_left() {
    let odd = HeaderValue::from_bytes(b"h\xf6st:80").unwrap();
    let request = Request::get("/").header("host", &odd);
    let copy = copy(request.body(empty()).unwrap()).await;
    assert_eq!(list(&copy.headers, "host"), [odd.as_bytes()]);
}

/// In front of a router by host, the host decides where the copy is sent. A client must not be able
/// to choose this.
#[tokio::test(start_paused = true)]
async fn a_literal_replaces_a_host_of_odd_bytes() {
    let odd = HeaderValue::from_bytes(b"h\xf6st:80").unwrap();
    let request = Request::get("/").header("host", &odd);
    let literal = HostRewrite::literal("v2:9").unwrap();
    let (primary, copy) = both(request.body(empty()).unwrap(), |it| {
        it.host_rewrite(literal)
    })
    .await;
    assert_eq!(list(&copy.headers, "host"), [b"v2:9"]);
    assert_eq!(list(&primary.headers, "host"), [odd.as_bytes()]);
}

#[tokio::test(start_paused = true)]
async fn the_other_host_rules_reach_the_copy() {
    let literal = HostRewrite::literal("v2:9").unwrap();
    let cases = [
        (HostRewrite::preserve(), "http://c:1/", Some("c:1")),
        (HostRewrite::preserve(), "/", None),
        (literal.clone(), "http://c:1/", Some("v2:9")),
        (literal, "/", Some("v2:9")),
        (
            HostRewrite::map(|host| format!("pre-{host}")),
            "http://c:1/",
            Some("pre-c:1"),
        ),
        (
            HostRewrite::map(|_| "no host".into()),
            "http://c:1/",
            Some("c:1"),
        ),
    ];
    for (rule, target, host) in cases {
        let case = format!("{rule:?} {target}");
        let request = Request::get(target).body(empty()).unwrap();
        let (_, copy) = both(request, |mirror| mirror.host_rewrite(rule)).await;
        let expected: Vec<_> = host.iter().map(|host| host.as_bytes()).collect();
        assert_eq!(list(&copy.headers, "host"), expected, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn hop_by_hop_headers_stay_behind() {
    let headers: Fields = &[
        ("connection", "keep-alive, X-Private,te"),
        ("connection", "close,, x-second , Host, bad name"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("x-private", "1"),
        ("x-second", "2"),
        ("te", "gzip"),
        ("expect", "100-continue"),
        ("host", "c"),
        ("proxy-authorization", "end to end here"),
        ("x-kept", "3"),
    ];
    let request = with(Request::get("/"), headers).body(empty()).unwrap();
    let (primary, copy) = both(request, |mirror| mirror).await;
    let mut names: Vec<_> = copy.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["host", "proxy-authorization", "x-kept", "x-mirrored-by"]
    );
    assert_eq!(list(&copy.headers, "host"), [b"c-shadow"]);
    assert_eq!(
        primary.headers.len(),
        headers.len(),
        "the primary receives all fields"
    );
}

#[tokio::test(start_paused = true)]
async fn te_keeps_trailers_alone() {
    let cases: [(Fields, &[&[u8]]); 6] = [
        (&[("te", "trailers")], &[b"trailers"]),
        (&[("te", "gzip;q=0.5, Trailers")], &[b"trailers"]),
        (&[("te", "deflate"), ("te", "trailers")], &[b"trailers"]),
        (&[("te", "trailers"), ("connection", "te")], &[b"trailers"]),
        (&[("te", "deflate")], &[]),
        (&[("te", "nottrailers")], &[]),
    ];
    for (headers, expected) in cases {
        let copy = copy(with(Request::get("/"), headers).body(empty()).unwrap()).await;
        assert_eq!(list(&copy.headers, "te"), expected, "{headers:?}");
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Carried(u8);
#[derive(Clone, Debug)]
struct Private;

#[tokio::test(start_paused = true)]
async fn extensions_stay_behind_but_for_those_carried() {
    let request = || {
        let request = Request::get("/").extension(Carried(7)).extension(Private);
        request.body(empty()).unwrap()
    };
    let (primary, copy) = both(request(), |mirror| mirror).await;
    assert!(copy.extensions.is_empty());
    assert_eq!(primary.extensions.len(), 2);

    let (primary, copy) = both(request(), |mirror| {
        mirror.copy_extension::<Carried>().copy_extension::<u64>()
    })
    .await;
    assert_eq!(copy.extensions.get(), Some(&Carried(7)));
    assert_eq!(copy.extensions.len(), 1);
    assert_eq!(primary.extensions.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_mark_carries_the_name() {
    let names = [
        ("catalog-v2", "catalog-v2"),
        ("", ""),
        ("a b\"c", "a b\"c"),
        ("Kaf\u{e9}\r\n: x\u{0}", "Kaf___: x_"),
    ];
    for (name, value) in names {
        let request = Request::get("/").body(empty()).unwrap();
        let (primary, copy) = both(request, |mirror| mirror.name(name)).await;
        assert_eq!(list(&copy.headers, "x-mirrored-by"), [value.as_bytes()]);
        assert!(primary.headers.is_empty());
    }

    let mark = HeaderName::from_static("x-copy");
    let request = Request::get("/")
        .header("connection", "x-copy")
        .body(empty());
    let (_, copy) = both(request.unwrap(), |mirror| mirror.mark(mark)).await;
    assert_eq!(list(&copy.headers, "x-copy"), [b"mirror"]);
    assert!(!copy.headers.contains_key("x-mirrored-by"));

    let request = Request::get("/").body(empty()).unwrap();
    let (_, copy) = both(request, MirrorBuilder::without_mark).await;
    assert!(copy.headers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_marked_request_is_not_copied_again() {
    type Settings = fn(MirrorBuilder) -> MirrorBuilder;
    let x_copy: Settings = |mirror| mirror.mark(HeaderName::from_static("x-copy"));
    let strips: Settings = |mirror| mirror.strip_inbound_mark();
    // The settings, the header that arrived, the outcome, and whether the primary sees the header.
    let cases: [(Settings, &str, Outcome, bool); 6] = [
        (|mirror| mirror, "x-mirrored-by", Outcome::Loop, true),
        (x_copy, "x-mirrored-by", Outcome::Completed, true),
        (x_copy, "x-copy", Outcome::Loop, true),
        (
            MirrorBuilder::without_mark,
            "x-mirrored-by",
            Outcome::Completed,
            true,
        ),
        (strips, "x-mirrored-by", Outcome::Completed, false),
        (strips, "x-copy", Outcome::Completed, true),
    ];
    for (settings, header, outcome, is_seen) in cases {
        let (shadow, primary) = (TestShadow::recording(), Primary::reading());
        let mirror = settings(MirrorLayer::builder(shadow.share()).name("this")).build();
        let request = Request::get("/").header(header, "another");
        let request = request.header(header, "and another").body(empty()).unwrap();
        serve(&mirror, &primary, request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, outcome);
        assert_eq!(primary.one().0.headers.contains_key(header), is_seen);
        if header == "x-mirrored-by" && outcome == Outcome::Completed && !is_seen {
            assert_eq!(list(&shadow.one().head.headers, header), [b"this"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rewrites_run_last_and_in_turn() {
    let request = Request::post("http://c/a")
        .header(AUTHORIZATION, "secret")
        .header(COOKIE, "a=1")
        .header(COOKIE, "b=2")
        .header("x-set", "old")
        .header("x-set", "older")
        .extension(Carried(9));
    let body = Script::chunks([3]);
    let (primary, copy) = both(request.body(body).unwrap(), |mirror| {
        mirror
            .copy_extension::<Carried>()
            .rewrite(remove_headers([AUTHORIZATION, COOKIE]))
            .rewrite(set_header(
                HeaderName::from_static("x-set"),
                HeaderValue::from_static("new"),
            ))
            .rewrite(|copy| {
                // All other steps are complete when a rewrite runs.
                assert_eq!(copy.headers["host"], "c-shadow");
                assert_eq!(copy.headers["content-length"], "3");
                assert_eq!(copy.headers["x-mirrored-by"], "mirror");
                assert_eq!(copy.headers["x-set"], "new");
                assert_eq!(copy.uri, "/a");
                copy.headers.remove("x-mirrored-by");
                copy.headers
                    .insert("host", HeaderValue::from_static("own word"));
                copy.headers
                    .insert("connection", HeaderValue::from_static("close"));
                copy.uri = "/b".parse().expect("a target");
                copy.method = Method::PUT;
                copy.extensions.clear();
            })
    })
    .await;
    assert_eq!((copy.method, copy.uri.path()), (Method::PUT, "/b"));
    assert_eq!(copy.headers["host"], "own word");
    assert_eq!(copy.headers["connection"], "close");
    assert_eq!(list(&copy.headers, "x-set"), [b"new"]);
    assert!(copy.extensions.is_empty());
    // The mark is an exception: only `without_mark` disables the loop guard.
    assert_eq!(list(&copy.headers, "x-mirrored-by"), [b"mirror"]);
    assert!(!copy.headers.contains_key(AUTHORIZATION) && !copy.headers.contains_key(COOKIE));
    assert_eq!(primary.method, Method::POST);
    assert_eq!(
        primary.headers.len(),
        5,
        "the primary keeps all its headers"
    );
}

#[tokio::test(start_paused = true)]
async fn without_its_body_the_copy_says_so() {
    const FIELDS: Fields = &[
        ("content-length", "5"),
        ("content-type", "text/plain"),
        ("content-encoding", "identity"),
        ("transfer-encoding", "chunked"),
        ("trailer", "x-sum"),
    ];
    for (method, length) in [
        ("GET", None),
        ("HEAD", None),
        ("DELETE", None),
        ("POST", Some("0")),
        ("PUT", Some("0")),
        ("PATCH", Some("0")),
    ] {
        let (shadow, primary) = (TestShadow::recording(), Primary::ignoring());
        let mirror = MirrorLayer::builder(shadow.share())
            .body_mode(BodyMode::HeadOnly)
            .max_body_bytes(0)
            .build();
        let request = with(Request::builder().method(method).uri("/"), FIELDS);
        let request = request.body(Script::chunks([5]).knowing_length()).unwrap();
        serve(&mirror, &primary, request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);

        let copy = shadow.one();
        let found = list(&copy.head.headers, "content-length");
        assert_eq!(
            found,
            length
                .iter()
                .map(|text| text.as_bytes())
                .collect::<Vec<_>>()
        );
        assert_eq!(copy.head.headers["content-type"], "text/plain");
        assert_eq!(copy.head.headers["content-encoding"], "identity");
        assert!(!copy.head.headers.contains_key("transfer-encoding"));
        assert!(!copy.head.headers.contains_key("trailer"));
        assert_eq!((copy.exact, copy.says_ended), (Some(0), true));
        assert_eq!(copy.stream.pieces, []);
    }
}

/// `Upgrade` is not in this list, because a request with this field has no copy.
#[tokio::test(start_paused = true)]
async fn each_hop_by_hop_header_is_removed_where_it_stands_alone() {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "expect",
    ] {
        // A request with any other transfer coding has no copy.
        let value = if name == "transfer-encoding" {
            "chunked"
        } else {
            "x"
        };
        let request = Request::post("/").header("host", "c").header(name, value);
        let copy = copy(request.body(Script::chunks([3])).unwrap()).await;
        assert!(!copy.headers.contains_key(name), "{name}");
    }
}

/// Inside a process, no server has checked the length that a request declares.
#[tokio::test(start_paused = true)]
async fn the_length_that_is_sent_is_said_once() {
    for (said, sent) in [
        (&["5"][..], "5"),
        (&["5", "5"], "5"),
        (&["5, 5"], "5"),
        (&["+5"], "5"),
        (&["4"], "5"),
        (&["50"], "5"),
        (&[""], "5"),
        (&["99999999999999999999999"], "5"),
        (&["05"], "05"),
    ] {
        let (shadow, primary) = (
            TestShadow::recording(),
            Primary::new(Reads::All, Then::Answers(200)),
        );
        let mirror = MirrorLayer::new(shadow.share());
        let mut request = post(Script::chunks([5]).knowing_length());
        for said in said {
            request
                .headers_mut()
                .append("content-length", said.parse().unwrap());
        }
        serve(&mirror, &primary, request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
        assert_eq!(
            list(&shadow.one().head.headers, "content-length"),
            [sent.as_bytes()],
            "{said:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_has_no_copy() {
    let cases = [
        (Request::connect("c:443"), Outcome::Upgrade),
        (
            Request::get("/").header("upgrade-insecure-requests", "1"),
            Outcome::Completed,
        ),
        (
            Request::get("/").header("connection", "upgrade"),
            Outcome::Completed,
        ),
    ];
    for (request, outcome) in cases {
        let (shadow, primary) = (TestShadow::recording(), Primary::reading());
        let mirror = MirrorLayer::new(shadow.share());
        let request = request.body(empty()).unwrap();
        serve(&mirror, &primary, request).await.unwrap();
        assert_only(&settled(&mirror.handle(), 1).await, outcome);
        assert_eq!(shadow.copies().is_empty(), outcome == Outcome::Upgrade);
    }
}
