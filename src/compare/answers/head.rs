//! The heads of two answers: status, content type, named headers, cookies, `grpc-status`.

use std::collections::BTreeMap;

use http::{
    HeaderMap, HeaderName,
    header::{self, HeaderValue},
};

use super::{
    answer::Answer,
    found::Found,
    kind::Kind,
    path::{Path, Step},
    rules::Rules,
};

/// Headers that no rule can name, because they differ between two instances of one version: the connection's, the clock's,
/// those with an identifier of the request, and `set-cookie`, which has a comparison of its own.
const NEVER: [&str; 19] = [
    "age",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "request-id",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amzn-trace-id",
    "x-correlation-id",
    "x-response-time",
    "x-runtime",
];
/// The counters of rate limits.
const NEVER_BEGIN: [&str; 3] = ["ratelimit-", "x-ratelimit-", "x-rate-limit-"];

pub(super) fn is_never_compared(name: &HeaderName) -> bool {
    let name = name.as_str();
    NEVER.contains(&name)
        || NEVER_BEGIN.iter().any(|begin| name.starts_with(begin))
        || name.ends_with("-request-id")
}

const GRPC_STATUS: &str = "grpc-status";

pub(super) fn compare(a: &Answer, b: &Answer, rules: &Rules, found: &mut Found<'_>) {
    if a.status != b.status {
        found.report(&Path::fixed(":status"), Kind::Value);
    }
    let is_redirect = a.status.is_redirection() || b.status.is_redirection();
    let location = is_redirect.then_some(&header::LOCATION);
    let location = location.filter(|name| !rules.headers.contains(name));
    let content_type = Some(&header::CONTENT_TYPE);
    let content_type = content_type.filter(|name| !rules.headers.contains(name));
    let header = Path::fixed(":header");
    for name in rules.headers.iter().chain(location).chain(content_type) {
        let path = header.then(Step::Listed(name.as_str()));
        let values = [&a.headers, &b.headers].map(|headers| comparable(headers, name));
        report(values, &path, found);
    }
    cookies([&a.headers, &b.headers], found);
}

/// `grpc-status` is in the trailers, or in the head of an answer without messages.
pub(super) fn grpc_status(a: &Answer, b: &Answer, found: &mut Found<'_>) {
    let status = |answer: &Answer| {
        let trailers = answer.trailers.as_ref();
        let in_trailers = trailers.and_then(|trailers| trailers.get(GRPC_STATUS));
        let status = in_trailers.or_else(|| answer.headers.get(GRPC_STATUS));
        status.map(|status| status.as_bytes().to_vec())
    };
    report([status(a), status(b)], &Path::fixed(":grpc-status"), found);
}

fn report<T: PartialEq>([a, b]: [Option<T>; 2], path: &Path<'_>, found: &mut Found<'_>) {
    match (a, b) {
        (Some(_), None) => found.report(path, Kind::Removed),
        (None, Some(_)) => found.report(path, Kind::Added),
        (a, b) if a != b => found.report(path, Kind::Value),
        _ => {}
    }
}

/// What counts of a header's values. `None`: there are none.
fn comparable(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<Vec<u8>>> {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    let first = *values.first()?;
    let of = |value: &&HeaderValue| value.as_bytes().to_vec();
    Some(match *name {
        header::CONTENT_TYPE => MediaType::of(headers).parts(),
        header::LOCATION => vec![location_path(first.as_bytes()).to_vec()],
        header::VARY => {
            let names = values
                .iter()
                .flat_map(|value| value.as_bytes().split(|b| *b == b','));
            let mut names: Vec<_> = names.map(|n| n.trim_ascii().to_ascii_lowercase()).collect();
            names.sort_unstable();
            names
        }
        _ => values.iter().map(of).collect(),
    })
}

/// The path of a URL: hosts differ between instances, and queries hold states and tokens.
fn location_path(url: &[u8]) -> &[u8] {
    let find = |text: &[u8], pattern: &[u8]| text.windows(pattern.len()).position(|w| w == pattern);
    let end = url.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let url = &url[..end.unwrap_or(url.len())];
    let authority = match find(url, b"//") {
        Some(0) => 2,
        Some(at) if url[at - 1] == b':' && !url[..at].contains(&b'/') => at + 2,
        _ => return url,
    };
    let rest = &url[authority..];
    let path = rest.iter().position(|byte| *byte == b'/');
    path.map_or(b"/", |at| &rest[at..])
}

/// The parts of `content-type` that are compared: the type, the charset and the boundary, in lower case except the boundary.
pub(super) struct MediaType {
    pub(super) essence: String,
    pub(super) charset: Option<String>,
    pub(super) boundary: Option<String>,
}

impl MediaType {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_TYPE);
        let text = String::from_utf8_lossy(value.map_or(b"", HeaderValue::as_bytes));
        let mut parts = text.split(';');
        let essence = parts.next().unwrap_or_default().trim();
        let mut media = Self {
            essence: essence.to_ascii_lowercase(),
            charset: None,
            boundary: None,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "charset" => media.charset = Some(value.to_ascii_lowercase()),
                "boundary" => media.boundary = Some(value.to_owned()),
                _ => {}
            }
        }
        media
    }

    fn parts(self) -> Vec<Vec<u8>> {
        let charset = self.charset.map(String::into_bytes);
        [Some(self.essence.into_bytes()), charset]
            .into_iter()
            .flatten()
            .collect()
    }
}

type Attributes = BTreeMap<&'static str, Vec<u8>>;

/// Names and attributes of cookies. Their values are secrets, and never looked at.
fn cookies(headers: [&HeaderMap; 2], found: &mut Found<'_>) {
    let cookie = Path::fixed(":set-cookie");
    let [a, b] = headers.map(cookies_of);
    for name in a
        .keys()
        .chain(b.keys().filter(|name| !a.contains_key(*name)))
    {
        let path = cookie.then(Step::Name(name));
        let (Some(first), Some(second)) = (a.get(name), b.get(name)) else {
            report([a.get(name), b.get(name)], &path, found);
            continue;
        };
        for attribute in ATTRIBUTES {
            let path = path.then(Step::Fixed(attribute));
            report([first.get(attribute), second.get(attribute)], &path, found);
        }
    }
}

/// The attributes of RFC 6265bis and of CHIPS. The value of `Expires` is a time, so only its presence is compared.
const ATTRIBUTES: [&str; 8] = [
    "Domain",
    "Expires",
    "HttpOnly",
    "Max-Age",
    "Partitioned",
    "Path",
    "SameSite",
    "Secure",
];

fn cookies_of(headers: &HeaderMap) -> BTreeMap<String, Attributes> {
    let mut cookies = BTreeMap::new();
    for value in headers.get_all(header::SET_COOKIE) {
        let mut parts = value.as_bytes().split(|byte| *byte == b';');
        let pair = parts.next().unwrap_or_default();
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        let mut attributes = Attributes::new();
        for part in parts {
            let mut part = part.splitn(2, |byte| *byte == b'=');
            let name = part.next().unwrap_or_default().trim_ascii();
            let value = part.next().unwrap_or_default().trim_ascii();
            let known = |known: &&&str| known.as_bytes().eq_ignore_ascii_case(name);
            if let Some(name) = ATTRIBUTES.iter().find(known) {
                let value = match *name {
                    "Expires" => Vec::new(),
                    _ => value.to_ascii_lowercase(),
                };
                attributes.insert(name, value);
            }
        }
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        cookies.insert(name, attributes);
    }
    cookies
}
