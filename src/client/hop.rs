//! Fields that are meant for one connection (RFC 9110, section 7.6.1), and offers to switch its protocol.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request;
use hyper::upgrade::OnUpgrade;

use crate::headers::{list, tokens};

static HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What [`strip`] has removed and still matters.
#[derive(Debug, Default)]
pub(super) struct Stripped {
    /// The sender accepts trailers.
    pub(super) takes_trailers: bool,
    /// The body was sent in chunks.
    pub(super) is_chunked: bool,
}

/// A message has a transfer coding besides `chunked`, without which its body means something else.
#[derive(Debug)]
pub(super) struct UnknownCoding;

/// Removes what was meant for the connection on which a message came.
pub(super) fn strip(headers: &mut HeaderMap) -> Result<Stripped, UnknownCoding> {
    // Mostly there is nothing, and one look at each name costs less than to look each of these up.
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
    // `Host` says where a request goes, which no client may take away.
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| name != HOST)
        .collect();
    // A length beside a transfer coding is not that of the body (RFC 9112, section 6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    Ok(stripped)
}

/// The protocols to which the client of this request offers to switch, if that can be forwarded: it came over a
/// connection of hyper's server, and does not offer what would hide further HTTP requests from everything between the two.
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

/// Puts an offer back, or the acceptance of one.
pub(super) fn put_upgrade(headers: &mut HeaderMap, protocols: Vec<HeaderValue>) {
    if protocols.is_empty() {
        return;
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    for protocol in protocols {
        headers.append(UPGRADE, protocol);
    }
}

/// Whether a server switches to what it was offered, and to nothing else.
pub(super) fn are_offered(accepted: &[HeaderValue], offered: &[HeaderValue]) -> bool {
    let names = |values| list(values).filter(|name| !name.is_empty());
    let is_offered = |name: &[u8]| names(offered).any(|offered| offered.eq_ignore_ascii_case(name));
    names(accepted).next().is_some() && names(accepted).all(is_offered)
}
