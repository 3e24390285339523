//! The head of a copy. It is copied on the primary's path, and finalized on the copy's task.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::{CONNECTION, Entry, HOST, TE},
    request::Parts,
    uri::{Authority, PathAndQuery},
};

use super::{
    framing::{CopyBody, Framing, FramingFields, is_hop_by_hop},
    settings::CopyExtensionFn,
    state::MirrorState,
};
use crate::{
    detached,
    headers::{tokens, without_user_information},
    marker::KeepTrailers,
    request_head::RequestHead,
};

/// Copies the head: the first phase, on the primary's path. It does only the necessary work; the
/// second phase does the rest on the copy's task. The text must be copied in this phase: a copy
/// that refers to the connection's read buffer, even for a short time, uses more memory than it is
/// charged.
pub(super) fn copy_head(head: &RequestHead<'_>, extensions: &[CopyExtensionFn]) -> Parts {
    let mut parts = empty();
    parts.method = head.method.clone();
    (parts.headers, parts.uri) = detached::head(head.headers, head.uri);
    for copy_extension in extensions {
        copy_extension(head.extensions, &mut parts.extensions);
    }
    parts
}

/// The minimum that a copy is charged for its head and its task, in bytes.
const LEAST_COST: usize = 8 * 1024;
/// The memory that a header map needs for each field, in addition to the bytes of the name and the
/// value.
const FIELD: usize = 128;

/// The number of bytes that a waiting copy is charged for its head. A client encodes the head into
/// a buffer that may be up to twice as long, so half of the head's bytes are added.
pub(super) fn cost(head: &RequestHead<'_>) -> usize {
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + FIELD;
    let fields: usize = head.headers.iter().map(field).sum();
    let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let authority = head.uri.authority().map_or("", Authority::as_str);
    let bytes = fields + path.len() + authority.len() + head.method.as_str().len();
    bytes.saturating_add(bytes / 2).max(LEAST_COST)
}

/// Returns an empty head. Its version is HTTP/1.1, because clients refuse a request with another
/// version.
pub(super) fn empty() -> Parts {
    Request::new(()).into_parts().0
}

/// Makes the head that is sent from the head that was copied: the second phase, on the copy's task.
pub(super) fn finalize_head(parts: &mut Parts, body: &CopyBody, shared: &MirrorState) {
    let fields = FramingFields::of(&parts.headers);
    let framing = Framing::of(parts, &fields, body, shared.policy.body_mode);
    if matches!(body, CopyBody::Streaming { .. }) {
        parts.extensions.insert(KeepTrailers);
    }
    rewrite_host(parts, shared);
    if fields.hop_by_hop {
        remove_hop_by_hop(&mut parts.headers);
    }
    framing.write(&mut parts.headers, &fields);
    mark(&mut parts.headers, shared);
    if shared.policy.rewrites.is_empty() {
        return;
    }
    for rewrite in &shared.policy.rewrites {
        rewrite(parts);
    }
    // A rewrite that removes headers must not disable the loop guard.
    let is_marked = |mark| parts.headers.contains_key(mark);
    if !shared.policy.mark.as_ref().is_none_or(is_marked) {
        mark(&mut parts.headers, shared);
    }
}

fn mark(headers: &mut HeaderMap, shared: &MirrorState) {
    if let Some(mark) = &shared.policy.mark {
        headers.insert(mark.clone(), shared.mark_value.clone());
    }
}

/// Makes an origin-form target and at most one `Host`. The host is taken from the target if the
/// target names one (RFC 9112, section 3.2.2), so that no client can direct a shadow's client to an
/// address of its choice.
fn rewrite_host(parts: &mut Parts, shared: &MirrorState) {
    let from_target = parts
        .uri
        .authority()
        .map(|authority| without_user_information(authority.as_str()).to_owned());
    // The entry needs only one look-up. Inserting through it leaves one field, even if there were
    // several.
    let from_header = match parts.headers.entry(HOST) {
        Entry::Occupied(header) => Ok(header),
        Entry::Vacant(place) => Err(place),
    };
    // A value that is not text is treated as if the field were absent.
    let text = from_header
        .as_ref()
        .ok()
        .and_then(|header| header.get().to_str().ok());
    let original = from_target.as_deref().or(text).unwrap_or_default();
    let rewritten = rewritten(original, shared).filter(|host| text.is_some() || !host.is_empty());
    match (from_header, rewritten) {
        (Ok(mut header), rewritten) => {
            let host = rewritten.unwrap_or_else(|| header.get().clone());
            header.insert(host);
        }
        (Err(place), Some(host)) => {
            place.insert(host);
        }
        (Err(_), None) => {}
    }
    if from_target.is_some() || parts.uri.scheme().is_some() {
        let path = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    }
}

/// Returns the host after the rewrite, from the cache of the first host if possible.
fn rewritten(host: &str, shared: &MirrorState) -> Option<HeaderValue> {
    let rewrite = &shared.policy.host_rewrite;
    match shared.first_host.get() {
        Some((first, rewritten)) if **first == *host => return Some(rewritten.clone()),
        _ => {}
    }
    let rewritten = match rewrite.apply(host) {
        Cow::Borrowed(host) => HeaderValue::from_str(host).ok()?,
        Cow::Owned(host) => HeaderValue::try_from(host).ok()?,
    };
    if rewrite.is_cacheable() && !host.is_empty() {
        let _ = shared.first_host.set((host.into(), rewritten.clone()));
    }
    Some(rewritten)
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let wants_trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    let named = tokens(headers, &CONNECTION)
        .filter(|name| !name.eq_ignore_ascii_case(b"host"))
        .filter_map(|name| HeaderName::from_bytes(name).ok());
    let known = headers.keys().filter(|name| is_hop_by_hop(name)).cloned();
    for name in named.chain(known).collect::<Vec<_>>() {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}
