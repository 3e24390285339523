//! Fuzz target for the parts of a head that decisions use: hosts, headers and cookies must be the
//! same in every version of HTTP.
#![no_main]

use arbitrary::Arbitrary;
use http::{
    HeaderMap, HeaderValue, Request, Uri, Version,
    header::{COOKIE, HOST},
    uri::Authority,
};
use libfuzzer_sys::fuzz_target;
use tower_mirror::{Draw, Key, RequestHead};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    target: &'a str,
    host: &'a [u8],
    cookies: Vec<&'a [u8]>,
    cookie: &'a str,
    traceparent: &'a [u8],
}

fn value(bytes: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(bytes).ok()
}

fn request(version: Version, uri: Uri, headers: HeaderMap) -> Request<String> {
    let mut request = Request::new(String::new());
    *request.version_mut() = version;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}

fuzz_target!(|input: Input<'_>| {
    let keys = [
        Key::header(HOST),
        Key::header(COOKIE),
        Key::cookie(input.cookie),
        Key::trace_id(),
        Key::header("x-none").or(Key::cookie("a")),
    ];
    // With any target and any fields, the head must not panic, and its host must be valid.
    let mut headers = HeaderMap::new();
    if let Some(host) = value(input.host) {
        headers.insert(HOST, host);
    }
    if let Some(traceparent) = value(input.traceparent) {
        headers.insert("traceparent", traceparent);
    }
    let cookies: Vec<_> = input.cookies.iter().filter_map(|it| value(it)).collect();
    for cookie in &cookies {
        headers.append(COOKIE, cookie.clone());
    }
    let uri: Uri = input.target.parse().unwrap_or_default();
    let any = request(Version::HTTP_11, uri.clone(), headers.clone());
    let seen = RequestHead::of(&any);
    if let Some(host) = seen.host() {
        assert!(!host.is_empty() && !host.contains('@'), "{host:?}");
        assert!(
            host.bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t')
        );
    }
    let lower = seen
        .host()
        .map(|host| host.to_ascii_lowercase().into_bytes());
    assert_eq!(seen.header(HOST).as_deref(), lower.as_deref());
    assert_eq!(keys[0].hash(&seen).is_some(), lower.is_some());
    // The hash must be that of the value that `header` returns.
    let whole = seen.header(COOKIE).map(|whole| whole.into_owned());
    assert_eq!(whole.is_some(), !cookies.is_empty());
    let shown = whole.clone().unwrap_or_default();
    let of_shown = Key::from_fn(move |_| (!shown.is_empty()).then(|| shown.clone()));
    assert_eq!(keys[1].hash(&seen), of_shown.hash(&seen));

    // A second request has the same fields in another version, with the cookies in one field.
    let mut joined = headers.clone();
    if let Some(whole) = whole.as_deref().and_then(value) {
        joined.insert(COOKIE, whole);
    }
    let other = request(Version::HTTP_2, uri, joined);
    let agree = |one: &Request<String>, other: &Request<String>| {
        let (one, other) = (RequestHead::of(one), RequestHead::of(other));
        assert_eq!(one.header(HOST), other.header(HOST));
        for key in &keys {
            assert_eq!(key.hash(&one), key.hash(&other), "{key:?}");
            if let Some(hash) = key.hash(&one) {
                assert_eq!(
                    Draw::key(key.clone()).point(&one),
                    Draw::key(key.clone()).point(&other),
                    "{hash}"
                );
            }
        }
    };
    agree(&any, &other);

    // If the host can be part of a target, HTTP/1.1's field and HTTP/2's authority must give the
    // same result, in any case.
    let host = std::str::from_utf8(input.host).ok();
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return;
    };
    let http1 = request(Version::HTTP_11, Uri::from_static("/"), headers.clone());
    let mut without = headers;
    without.remove(HOST);
    // If the host is a name, the default port is added or removed.
    let name = authority.host();
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let other = match authority.as_str().strip_prefix(name) {
        Some("") if is_name => format!("{name}:443"),
        Some(":443") if is_name => name.to_owned(),
        _ => authority.to_string(),
    };
    for (scheme, authority) in [
        ("http", authority.to_string()),
        ("https", authority.as_str().to_ascii_uppercase()),
        ("https", other),
    ] {
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query("/")
            .build();
        if let Ok(uri) = uri {
            agree(&http1, &request(Version::HTTP_2, uri, without.clone()));
        }
    }
});
