//! Keys from headers that consist of any bytes.

use http::{
    HeaderName, HeaderValue,
    header::{COOKIE, HOST, USER_AGENT},
};
use proptest::prelude::*;
use tower_mirror::{Key, RequestHead};

use crate::{config, value, with};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Compares hashes: the key must find the bytes for which a key with a closure has the same hash.
fn finds(
    key: &Key,
    headers: Vec<(HeaderName, HeaderValue)>,
    expected: Option<Vec<u8>>,
) -> Result<(), TestCaseError> {
    let request = with(headers.clone());
    let head = RequestHead::of(&request);
    let same = Key::from_fn(move |_| expected.clone()).hash(&head);
    prop_assert_eq!(key.hash(&head), same, "{:?}", headers);
    Ok(())
}

/// Finds the value of a cookie, byte by byte.
fn cookie(lines: &[HeaderValue], name: &[u8]) -> Option<Vec<u8>> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let trimmed = |mut bytes: Vec<u8>| {
        while is_blank(bytes.last()) {
            bytes.pop();
        }
        while is_blank(bytes.first()) {
            bytes.remove(0);
        }
        bytes
    };
    for line in lines {
        let (mut found, mut value, mut is_value) = (Vec::new(), Vec::new(), false);
        for &byte in line.as_bytes().iter().chain(b";") {
            match byte {
                b';' if is_value && trimmed(found.clone()) == name => {
                    return Some(trimmed(value)).filter(|value| !value.is_empty());
                }
                b';' => (found, value, is_value) = (Vec::new(), Vec::new(), false),
                b'=' if !is_value => is_value = true,
                byte if is_value => value.push(byte),
                byte => found.push(byte),
            }
        }
    }
    None
}

/// Finds a host, byte by byte: after the last `@`, without `:80`, `:443` or `:` at the end of a
/// name, in lower case.
fn host(value: &HeaderValue) -> Option<Vec<u8>> {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let value = value.as_bytes();
    if !value.iter().all(is_text) {
        return None;
    }
    let mut host = Vec::new();
    for &byte in value {
        match byte {
            b'@' => host.clear(),
            byte => host.push(byte.to_ascii_lowercase()),
        }
    }
    for port in [&b":80"[..], b":443", b":"] {
        let Some(name) = host.strip_suffix(port) else {
            continue;
        };
        if name.last() == Some(&b']') || !name.contains(&b':') {
            host.truncate(name.len());
            break;
        }
    }
    (!host.is_empty() && host[0] != b':').then_some(host)
}

/// Finds a trace id at its positions according to section 3.2 of the recommendation.
fn trace_id(value: &[u8]) -> Option<Vec<u8>> {
    let is_hex = |at: usize| value[at].is_ascii_digit() || (b'a'..=b'f').contains(&value[at]);
    let is_form = |at: usize| match at {
        2 | 35 | 52 => value[at] == b'-',
        _ => is_hex(at),
    };
    if value.len() < 55 || !(0..55).all(is_form) {
        return None;
    }
    let (version, trace, parent) = (&value[..2], &value[3..35], &value[36..52]);
    let is_whole = match version {
        b"ff" => false,
        b"00" => value.len() == 55,
        _ => value.len() == 55 || value[55] == b'-',
    };
    let is_some = |id: &[u8]| id.iter().any(|digit| *digit != b'0');
    (is_whole && is_some(trace) && is_some(parent)).then(|| trace.to_vec())
}

/// Values that are valid, or almost valid.
fn traceparent() -> impl Strategy<Value = HeaderValue> {
    let valid = "(00|01|cc|ff)-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|-[a-z]{0,3}|[0-9a-f])?";
    let zeros = "0[01]-0{31}[01]-0{15}[01]-0[01]";
    let broken = (
        "0[01]-[0-9a-f]{30,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}",
        0..60_usize,
        any::<u8>(),
    );
    let broken = broken.prop_map(|(text, at, byte)| {
        let mut bytes = text.into_bytes();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes
    });
    let bytes = prop_oneof![
        4 => valid.prop_map(String::into_bytes),
        2 => zeros.prop_map(String::into_bytes),
        3 => broken,
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ];
    bytes.prop_filter_map("no header's value", |it| HeaderValue::from_bytes(&it).ok())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_cookie_is_found_among_any_bytes(
        lines in prop::collection::vec(value(b"ab=;; \t\"", 16), 0..4),
        name in prop_oneof!["[ab]{1,2}", "[ab =]{0,2}"],
    ) {
        let headers = lines.iter().map(|line| (COOKIE, line.clone())).collect();
        // A name that no cookie can have, for example one with spaces around it, finds no cookie.
        finds(&Key::cookie(&*name), headers, cookie(&lines, name.as_bytes()))?;
    }

    #[test]
    fn a_host_is_found_among_any_bytes(value in value(b"aA.:@[]80443", 9)) {
        let expected = host(&value);
        finds(&Key::header(HOST), vec![(HOST, value)], expected)?;
    }

    #[test]
    fn a_trace_is_read_by_its_places(value in traceparent()) {
        let expected = trace_id(value.as_bytes());
        finds(&Key::trace_id(), vec![(TRACEPARENT, value)], expected)?;
    }

    #[test]
    fn of_several_values_the_first_counts_except_of_cookies(
        values in prop::collection::vec(value(b"ab ", 3), 0..4),
        others in prop::collection::vec(value(b"ab ", 3), 0..4),
    ) {
        let of = |name: HeaderName, values: &[HeaderValue]| -> Vec<_> {
            values.iter().map(|value| (name.clone(), value.clone())).collect()
        };
        let first = |values: &[HeaderValue]| {
            values.first().map(|value| value.as_bytes().to_vec()).filter(|it| !it.is_empty())
        };
        let headers = [of(USER_AGENT, &values), of(COOKIE, &others)].concat();
        finds(&Key::header(USER_AGENT), headers.clone(), first(&values))?;
        let either = Key::header(USER_AGENT).or(Key::header(COOKIE));
        let joined = others.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
        finds(&either, headers, first(&values).or(Some(joined).filter(|it| !it.is_empty())))?;
    }
}
