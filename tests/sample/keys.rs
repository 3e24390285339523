//! M7: keyed draws, which make the same decision for the same key in every process; and filters.

use http::{HeaderValue, Method, Request, header::HOST};
use tower_mirror::{Draw, Key, RequestHead, SampleRate, sample};

fn with(headers: &[(&str, &str)]) -> Request<String> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(String::new()).expect("a request")
}

fn hash(key: &Key, headers: &[(&str, &str)]) -> Option<u64> {
    key.hash(&RequestHead::of(&with(headers)))
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The contract between replicas of all versions: a change of these values would move users. They
/// are from a separate implementation of SipHash-2-4, outside this crate.
#[test]
fn hashes_are_pinned() {
    let closure = || Key::from_fn(|head| Some(head.uri.path().to_owned()));
    let cases = [
        (hash(&Key::header("x-user"), &[("x-user", "ada")]), ADA),
        (hash(&Key::cookie("uid"), &[("cookie", "uid=ada")]), ADA),
        (hash(&Key::from_fn(|_| Some("ada")), &[]), ADA),
        (
            hash(
                &Key::header("x-user").salt("tower-mirror"),
                &[("x-user", "ada")],
            ),
            ADA,
        ),
        (
            hash(&Key::trace_id(), &[("traceparent", TRACEPARENT)]),
            OF_TRACE,
        ),
        (
            hash(&Key::header("x-trace"), &[("x-trace", TRACE)]),
            OF_TRACE,
        ),
        (hash(&closure(), &[]), OF_ROOT),
        (
            hash(
                &Key::header("x-user").salt("checkout"),
                &[("x-user", "ada")],
            ),
            SALTED,
        ),
        (
            hash(&Key::cookie("uid").salt(""), &[("cookie", "uid=ada")]),
            SALTED_EMPTY,
        ),
    ];
    for (at, (found, pinned)) in cases.into_iter().enumerate() {
        assert_eq!(found, Some(pinned), "case {at}: {:#x}", found.unwrap_or(0));
    }
}

const ADA: u64 = 0x3f59_6b20_1ead_b615;
const OF_TRACE: u64 = 0xbdde_6894_ed46_6147;
const OF_ROOT: u64 = 0x7146_0026_cd42_30ca;
const SALTED: u64 = 0x725e_ea71_d295_35aa;
const SALTED_EMPTY: u64 = 0x793f_bf08_69cb_b064;

#[test]
fn a_header_is_a_key_unless_it_is_empty() {
    let key = Key::header("X-User");
    assert_eq!(
        hash(&key, &[("x-user", "ada"), ("x-user", "eve")]),
        Some(ADA)
    );
    assert_eq!(
        hash(
            &Key::header(http::HeaderName::from_static("x-user")),
            &[("x-user", "ada")]
        ),
        Some(ADA)
    );
    for headers in [&[][..], &[("x-user", "")], &[("x-other", "ada")]] {
        assert_eq!(hash(&key, headers), None);
    }
}

/// Hashes the host of a request for this target with these `Host` fields.
fn host_hash(target: &str, hosts: &[&str]) -> Option<u64> {
    let mut request = Request::get(target).body(String::new()).expect("a request");
    for host in hosts {
        let host = HeaderValue::from_bytes(host.as_bytes()).expect("a value");
        request.headers_mut().append(HOST, host);
    }
    let head = RequestHead::of(&request);
    let expected = head.header(HOST);
    let key = Key::from_fn(move |head| head.header("Host").map(|host| host.into_owned()));
    assert_eq!(expected.is_some(), head.host().is_some());
    let hash = Key::header("host").hash(&head);
    assert_eq!(hash, key.hash(&head), "{target} {hosts:?}");
    hash
}

#[test]
fn a_host_is_a_key_wherever_it_is() {
    let of = |host: &str| hash(&Key::header("x"), &[("x", host)]);
    let long = format!("{}.example", "MIXEDcase.".repeat(20));
    let shop: [(&str, &[&str]); 15] = [
        ("/", &["shop.example"]),
        ("/", &["Shop.EXAMPLE"]),
        ("/", &["shop.example:80"]),
        ("/", &["shop.example:443"]),
        ("/", &["shop.example:"]),
        ("/", &["ada@shop.example"]),
        ("/", &["shop.example", "other.example"]),
        ("http://shop.example/", &[]),
        ("http://SHOP.example", &["other.example"]),
        ("https://shop.example:443/a?b", &["other.example"]),
        ("http://shop.example:443/", &[]),
        ("https://shop.example:80/", &[]),
        ("http://ada:secret@shop.example:80/", &[]),
        ("shop.example:443", &[]), // the form of CONNECT
        ("*", &["shop.example"]),
    ];
    for (target, hosts) in shop {
        assert_eq!(
            host_hash(target, hosts),
            of("shop.example"),
            "{target} {hosts:?}"
        );
    }
    let others = [
        ("shop.example:8080", "shop.example:8080"),
        ("shop.example:8443", "shop.example:8443"),
        ("shop.example:0080", "shop.example:0080"),
        ("shop.example.", "shop.example."),
        ("[2001:DB8::80]", "[2001:db8::80]"),
        ("[2001:DB8::80]:443", "[2001:db8::80]"),
        ("2001:db8::80", "2001:db8::80"),
        ("127.0.0.1:80", "127.0.0.1"),
        (&*long, &*long.to_ascii_lowercase()),
    ];
    for (host, expected) in others {
        assert_eq!(host_hash("/", &[host]), of(expected), "{host}");
    }
    // An empty host is not a host. After an empty `Host` field, no further one is examined.
    for hosts in [
        &[][..],
        &[""],
        &[":80"],
        &[":8080"],
        &["ada@"],
        &["sh\u{f6}p"],
        &["", "shop.example"],
    ] {
        assert_eq!(host_hash("/", hosts), None, "{hosts:?}");
    }
}

#[test]
fn cookies_in_several_fields_are_one_key() {
    let key = Key::header("cookie");
    let whole = hash(&Key::header("x"), &[("x", "a=1; uid=ada; b=2")]);
    let several: [&[(&str, &str)]; 3] = [
        &[("cookie", "a=1; uid=ada; b=2")],
        &[("cookie", "a=1"), ("cookie", "uid=ada; b=2")],
        &[("cookie", "a=1"), ("cookie", "uid=ada"), ("cookie", "b=2")],
    ];
    for headers in several {
        assert_eq!(hash(&key, headers), whole, "{headers:?}");
        let request = with(headers);
        let joined = RequestHead::of(&request).header("Cookie").unwrap();
        assert_eq!(&*joined, b"a=1; uid=ada; b=2");
    }
    assert_eq!(hash(&key, &[("cookie", "")]), None);
    assert_eq!(hash(&key, &[]), None);
}

#[test]
fn cookies_are_found_wherever_they_are() {
    // All of these contain uid=ada, according to the common rules for cookies.
    let found: [&[(&str, &str)]; 9] = [
        &[("cookie", "uid=ada")],
        &[("cookie", "a=1; uid=ada; b=2")],
        &[("cookie", "a=1;uid=ada;b=2")],
        &[("cookie", "  uid = ada  ;")],
        &[("cookie", "a=1"), ("cookie", "uid=ada")],
        &[("cookie", "uid=ada; uid=eve")],
        &[("cookie", "uidx=eve; xuid=eve; uid=ada")],
        &[("cookie", "UID=eve; uid=ada")],
        &[("cookie", "uid; ; =eve; uid=ada")],
    ];
    for headers in found {
        assert_eq!(hash(&Key::cookie("uid"), headers), Some(ADA), "{headers:?}");
    }
    let not_found: [&[(&str, &str)]; 6] = [
        &[],
        &[("cookie", "")],
        &[("cookie", "uid")],
        &[("cookie", "uid=")],
        &[("cookie", "UID=ada")],
        &[("set-cookie", "uid=ada")],
    ];
    for headers in not_found {
        assert_eq!(hash(&Key::cookie("uid"), headers), None, "{headers:?}");
    }
    // Quotes belong to the value (RFC 6265, section 4.1.1), and so does a further `=`.
    let quoted = hash(&Key::cookie("uid"), &[("cookie", "uid=\"ada\"")]);
    assert_eq!(quoted, hash(&Key::header("x"), &[("x", "\"ada\"")]));
    let padded = hash(&Key::cookie("uid"), &[("cookie", "uid=ada==")]);
    assert_eq!(padded, hash(&Key::header("x"), &[("x", "ada==")]));
}

#[test]
fn a_trace_is_its_trace_id() {
    let valid = [
        TRACEPARENT,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-ffffffffffffffff-00",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-holds",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
    ];
    for value in valid {
        assert_eq!(
            hash(&Key::trace_id(), &[("traceparent", value)]),
            Some(OF_TRACE),
            "{value}"
        );
    }
    let invalid = [
        "",
        TRACE,
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47360-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
    ];
    for value in invalid {
        assert_eq!(
            hash(&Key::trace_id(), &[("traceparent", value)]),
            None,
            "{value:?}"
        );
    }
}

#[test]
fn another_key_stands_in_where_one_is_missing() {
    let key = Key::header("x-user")
        .or(Key::cookie("uid").salt("ignored"))
        .or(Key::trace_id());
    let trace = ("traceparent", TRACEPARENT);
    assert_eq!(
        hash(&key, &[("cookie", "uid=eve"), ("x-user", "ada")]),
        Some(ADA)
    );
    assert_eq!(hash(&key, &[("cookie", "uid=ada"), trace]), Some(ADA));
    assert_eq!(hash(&key, &[("x-user", ""), trace]), Some(OF_TRACE));
    assert_eq!(hash(&key, &[]), None);
    let salted = key.salt("checkout");
    assert_eq!(hash(&salted, &[("cookie", "uid=ada")]), Some(SALTED));
}

const USERS: usize = 100_000;

/// Returns the users that a rate selects.
fn users(key: &Key, percent: f64) -> Vec<bool> {
    let rate = SampleRate::percent(percent).expect("a valid rate");
    let draw = Draw::key(key.clone());
    let takes = |user| {
        let request = with(&[("x-user", &format!("user-{user}"))]);
        rate.takes(draw.point(&RequestHead::of(&request)))
    };
    (0..USERS).map(takes).collect()
}

fn count(users: &[bool]) -> usize {
    users.iter().filter(|taken| **taken).count()
}

#[test]
fn smaller_shares_are_part_of_larger_ones() {
    let key = Key::header("x-user");
    let (five, ten) = (users(&key, 5.0), users(&key, 10.0));
    assert!(five.iter().zip(&ten).all(|(five, ten)| *ten || !*five));
    // The keys are fixed, so the counts are fixed too. They are within two standard deviations.
    assert!(count(&five).abs_diff(5000) <= 138, "{}", count(&five));
    assert!(count(&ten).abs_diff(10_000) <= 190, "{}", count(&ten));
    assert_eq!(count(&users(&key, 0.0)), 0);
    assert_eq!(count(&users(&key, 100.0)), USERS);
    assert_eq!(users(&key, 5.0), five, "the selection does not change");
}

#[test]
fn salts_are_independent() {
    let salts =
        ["a", "b", "checkout", ""].map(|salt| users(&Key::header("x-user").salt(salt), 10.0));
    for (at, one) in salts.iter().enumerate() {
        for other in &salts[at + 1..] {
            let both = one
                .iter()
                .zip(other)
                .filter(|(one, other)| **one && **other);
            let ratio = both.count() as f64 / (USERS as f64 / 100.0);
            assert!((0.9..=1.1).contains(&ratio), "{ratio}");
        }
    }
}

#[test]
fn without_a_key_the_draw_is_even() {
    let draw = Draw::key(Key::header("x-user"));
    let rate = SampleRate::percent(10.0).unwrap();
    let (anonymous, ada) = (with(&[]), with(&[("x-user", "ada")]));
    let mut taken = 0;
    for _ in 0..10_000 {
        taken += u32::from(rate.takes(draw.point(&RequestHead::of(&anonymous))));
        assert_eq!(draw.point(&RequestHead::of(&ada)), ADA);
    }
    assert!(taken.abs_diff(1000) <= 6, "{taken}");
}

#[test]
fn filters_pass_what_they_say() {
    type Filter = Box<dyn Fn(&RequestHead<'_>) -> bool>;
    fn boxed(filter: impl Fn(&RequestHead<'_>) -> bool + 'static) -> Filter {
        Box::new(filter)
    }
    let some = || boxed(sample::methods([Method::GET, Method::PUT]));
    let safe = || boxed(sample::safe_methods());
    let paths = || boxed(sample::paths(["/items", "/a/b/"]));
    let skips = || boxed(sample::skip_paths(["/health", "/metrics/"]));
    let closure = || boxed(|head| head.body.exact() == Some(0));
    let cases = [
        (some(), "GET", "/", true),
        (some(), "PUT", "/", true),
        (some(), "POST", "/", false),
        (safe(), "GET", "/", true),
        (safe(), "HEAD", "/", true),
        (safe(), "OPTIONS", "*", true),
        (safe(), "TRACE", "/", true),
        (safe(), "POST", "/", false),
        (safe(), "PURGE", "/", false),
        (paths(), "GET", "/items", true),
        (paths(), "GET", "/items/7?x=1", true),
        (paths(), "GET", "/items/", true),
        (paths(), "GET", "/items?x", true),
        (paths(), "GET", "/itemsets", false),
        (paths(), "GET", "/Items", false),
        (paths(), "GET", "/a/b", true),
        (paths(), "GET", "/a/b/c", true),
        (paths(), "GET", "/a", false),
        (paths(), "GET", "/x/items", false),
        (paths(), "GET", "http://host/items", true),
        (skips(), "GET", "/health", false),
        (skips(), "GET", "/health/live", false),
        (skips(), "GET", "/healthy", true),
        (skips(), "GET", "/metrics", false),
        (skips(), "GET", "/", true),
        (boxed(sample::paths(["/"])), "GET", "/any/thing", true),
        (boxed(sample::paths([""; 0])), "GET", "/", false),
        (boxed(sample::skip_paths([""; 0])), "GET", "/", true),
        (boxed(sample::methods([])), "GET", "/", false),
        (closure(), "GET", "/", true),
    ];
    for (at, (filter, method, target, passes)) in cases.into_iter().enumerate() {
        let request = Request::builder().method(method).uri(target);
        let request = request.body(String::new()).unwrap();
        let found = filter(&RequestHead::of(&request));
        assert_eq!(found, passes, "case {at}: {method} {target}");
    }
}
