//! What a proxy must not pass on (RFC 9110, section 7.6.1).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE},
};

static HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what is meant for this connection alone, in either direction.
pub(crate) fn headers(headers: &mut HeaderMap) {
    // Mostly there is nothing, and one look at each name is cheaper than looking all of them up.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    // A length beside a transfer coding is not the body's (RFC 9112, section 6.3).
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
    let takes_trailers = headers
        .get_all(TE)
        .iter()
        .flat_map(tokens)
        .any(|token| token.eq_ignore_ascii_case(b"trailers"));

    let options: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    let named = options.iter().flat_map(tokens);
    // `Host` says where the request goes, which no client may take away.
    for name in named.filter(|name| !name.eq_ignore_ascii_case(HOST.as_str().as_bytes())) {
        if let Ok(name) = HeaderName::from_bytes(name) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Whether a body is framed by `chunked` and by no coding that forwarding would lose.
pub(crate) fn is_chunked_only(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = values.flat_map(tokens).filter(|coding| !coding.is_empty());
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(is_chunked) && codings.next().is_none()
}

/// Bytes, since one odd character must not keep the other tokens from being seen.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
}
