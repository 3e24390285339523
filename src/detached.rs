//! Copies of headers and targets that do not keep the buffer that they were read into.
//!
//! A server's header values are slices of its connection's read buffer, which may be a hundred times larger and would
//! live as long as the copy.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Uri,
    uri::{self, Authority, PathAndQuery, Scheme},
};

/// Places for the headers that a copy has beside those of its request, so that its map need not grow.
const MORE: usize = 4;
/// The most places that are made beforehand. A map grows if it needs more.
const MOST: usize = 1024;

/// The headers and the target of a request.
pub(crate) fn head(headers: &HeaderMap, target: &Uri) -> (HeaderMap, Uri) {
    let path = target.path_and_query().map_or("", PathAndQuery::as_str);
    let authority = target.authority().map_or("", Authority::as_str);
    let mut text = join(headers, [path, authority]);
    let headers = copy_headers(headers, &mut text);
    let path = text.split_to(path.len());
    let copied = copy_target(target, path, text).unwrap_or_else(|| target.clone());
    (headers, copied)
}

/// Headers of any kind.
pub(crate) fn headers(headers: &HeaderMap) -> HeaderMap {
    copy_headers(headers, &mut join(headers, [""; 2]))
}

/// All values, and what follows.
fn join(headers: &HeaderMap, others: [&str; 2]) -> Bytes {
    let values = || headers.values().map(HeaderValue::as_bytes);
    let texts = || values().chain(others.map(str::as_bytes));
    let mut text = Vec::with_capacity(texts().map(<[u8]>::len).sum());
    texts().for_each(|part| text.extend_from_slice(part));
    text.into()
}

/// Takes the values off the beginning of the text.
fn copy_headers(headers: &HeaderMap, text: &mut Bytes) -> HeaderMap {
    let mut copied = HeaderMap::with_capacity(headers.keys_len().min(MOST) + MORE);
    for (name, value) in headers {
        // What was valid is valid again.
        let own = HeaderValue::from_maybe_shared(text.split_to(value.len()));
        let mut own = own.unwrap_or_else(|_| value.clone());
        own.set_sensitive(value.is_sensitive());
        copied.append(name.clone(), own);
    }
    copied
}

/// `None` if the parts do not make a target. That cannot happen, because they are those of a valid target.
fn copy_target(target: &Uri, path: Bytes, authority: Bytes) -> Option<Uri> {
    let mut parts = uri::Parts::default();
    if let Some(scheme) = target.scheme() {
        // One that is neither `http` nor `https` is a slice too.
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
