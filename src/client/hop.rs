//! Fields that are meant for one connection (RFC 9110, section 7.6.1), and offers to switch its protocol.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request;
use hyper::upgrade::OnUpgrade;

use crate::headers::{HOP_BY_HOP, list, tokens};

/// What is still needed of the fields that [`strip`] has removed.
#[derive(Debug, Default)]
pub(super) struct Stripped {
    /// The sender accepts trailers.
    pub(super) takes_trailers: bool,
    /// The body was sent in chunks.
    pub(super) is_chunked: bool,
}

/// A message has a transfer coding besides `chunked`. Without the name of the coding, the body could not be decoded.
#[derive(Debug)]
pub(super) struct UnknownCoding;

/// Removes the fields that were meant for the connection on which a message came.
pub(super) fn strip(headers: &mut HeaderMap) -> Result<Stripped, UnknownCoding> {
    // Most messages have none of these fields, and comparing each name costs less than six look-ups.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return Ok(Stripped::default());
    }
    let is = |token: &[u8], name: &str| token.eq_ignore_ascii_case(name.as_bytes());
    let mut codings = tokens(headers, &TRANSFER_ENCODING)
        .filter(|coding| !coding.is_empty() && !is(coding, "identity"));
    let is_chunked = codings.next().map(|coding| is(coding, "chunked"));
    if is_chunked == Some(false) || codings.next().is_some() {
        return Err(UnknownCoding);
    }
    drop(codings);
    let stripped = Stripped {
        takes_trailers: tokens(headers, &TE).any(|token| is(token, "trailers")),
        is_chunked: is_chunked.is_some(),
    };
    // A client must not remove `Host`, which says where the request goes.
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| name != HOST)
        .collect();
    // With a transfer coding, `Content-Length` is not the length of the body (RFC 9112, section 6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    Ok(stripped)
}

/// The protocols to which the client of this request offers to switch, if the offer can be forwarded. The request must have come
/// over a connection of hyper's server, and the protocol must not hide further HTTP requests from the services in between.
pub(super) fn offer(head: &request::Parts) -> Vec<HeaderValue> {
    let connection = |token: &[u8]| token.eq_ignore_ascii_case(b"upgrade");
    if head.extensions.get::<OnUpgrade>().is_none()
        || !tokens(&head.headers, &CONNECTION).any(connection)
        || tokens(&head.headers, &UPGRADE).any(hides_http)
    {
        return Vec::new();
    }
    head.headers.get_all(UPGRADE).iter().cloned().collect()
}

fn hides_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next();
    name.is_some_and(|name| {
        [&b"h2c"[..], b"h2", b"http", b"tls"]
            .iter()
            .any(|hiding| name.eq_ignore_ascii_case(hiding))
    })
}

/// Adds the fields of an offer, or of its acceptance.
pub(super) fn put_upgrade(headers: &mut HeaderMap, protocols: Vec<HeaderValue>) {
    if protocols.is_empty() {
        return;
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    for protocol in protocols {
        headers.append(UPGRADE, protocol);
    }
}

/// Whether a server switches only to protocols that it was offered.
pub(super) fn are_offered(accepted: &[HeaderValue], offered: &[HeaderValue]) -> bool {
    let names = |values| list(values).filter(|name| !name.is_empty());
    let is_offered = |name: &[u8]| names(offered).any(|offered| offered.eq_ignore_ascii_case(name));
    names(accepted).next().is_some() && names(accepted).all(is_offered)
}
