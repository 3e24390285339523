//! Copies of headers and request targets that do not refer to the buffer of the connection.
//!
//! In a server, header values are slices of the connection's read buffer. This buffer may be a
//! hundred times larger than the values, and would stay in memory as long as the copy.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Uri,
    uri::{self, Authority, PathAndQuery, Scheme},
};

/// The number of headers that a copy may have in addition to those of its request. There is
/// capacity for them, so that the map does not need to grow.
const MORE: usize = 4;
/// The maximum initial capacity of a map. A map grows if it needs more.
const MOST: usize = 1024;

/// Copies the headers and the target of a request.
pub(crate) fn head(headers: &HeaderMap, target: &Uri) -> (HeaderMap, Uri) {
    let path = target.path_and_query().map_or("", PathAndQuery::as_str);
    let authority = target.authority().map_or("", Authority::as_str);
    let mut text = join(headers, [path, authority]);
    let headers = copy_headers(headers, &mut text);
    let path = text.split_to(path.len());
    let copied = copy_target(target, path, text).unwrap_or_else(|| target.clone());
    (headers, copied)
}

/// Copies headers or trailers.
pub(crate) fn headers(headers: &HeaderMap) -> HeaderMap {
    copy_headers(headers, &mut join(headers, [""; 2]))
}

/// Joins all values of the headers and the other texts in one allocation.
fn join(headers: &HeaderMap, others: [&str; 2]) -> Bytes {
    let values = || headers.values().map(HeaderValue::as_bytes);
    let texts = || values().chain(others.map(str::as_bytes));
    let mut text = Vec::with_capacity(texts().map(<[u8]>::len).sum());
    texts().for_each(|part| text.extend_from_slice(part));
    text.into()
}

/// Copies the headers. Their values are split off from the beginning of the text.
fn copy_headers(headers: &HeaderMap, text: &mut Bytes) -> HeaderMap {
    let mut copied = HeaderMap::with_capacity(headers.keys_len().min(MOST) + MORE);
    for (name, value) in headers {
        // This cannot fail, because the bytes are those of a valid value.
        let own = HeaderValue::from_maybe_shared(text.split_to(value.len()));
        let mut own = own.unwrap_or_else(|_| value.clone());
        own.set_sensitive(value.is_sensitive());
        copied.append(name.clone(), own);
    }
    copied
}

/// Returns `None` if the parts are not a valid target. That cannot happen, because they are the
/// parts of a valid target.
fn copy_target(target: &Uri, path: Bytes, authority: Bytes) -> Option<Uri> {
    let mut parts = uri::Parts::default();
    if let Some(scheme) = target.scheme() {
        // A scheme that is neither `http` nor `https` is also a slice of the buffer.
        parts.scheme = Some(Scheme::try_from(scheme.as_str()).ok()?);
    }
    if !path.is_empty() {
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).ok()?);
    }
    if !authority.is_empty() {
        parts.authority = Some(Authority::from_maybe_shared(authority).ok()?);
    }
    Uri::from_parts(parts).ok()
}
