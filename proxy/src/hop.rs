//! The connection-specific header fields that the proxy itself reads. The target does not pass them on.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE},
};

/// Removes the fields that `Connection` names, so that none of them selects a subset. `Host` must
/// stay in every request. The target handles `Connection`, `TE` and `Upgrade` itself.
pub(crate) fn remove_named(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named = headers.get_all(CONNECTION).iter().flat_map(tokens);
    let named: Vec<HeaderName> = named
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| ![CONNECTION, HOST, TE, UPGRADE].contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Whether a body is framed by `chunked` and by no coding that forwarding would lose.
pub(crate) fn is_chunked_only(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = values.flat_map(tokens).filter(|coding| !coding.is_empty());
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(is_chunked) && codings.next().is_none()
}

/// Parses bytes, because one invalid character must not hide the other tokens.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
}
