//! Functions for headers that several modules use: lists of tokens, hop-by-hop fields, authorities,
//! `traceparent`.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, IntoHeaderName, TE, TRANSFER_ENCODING, UPGRADE},
};

/// The fields that are valid only for one connection (RFC 9110, section 7.6.1). The fields that
/// `Connection` names are hop-by-hop fields as well.
pub(crate) static HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Returns the tokens of all fields with this name.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    list(headers.get_all(name))
}

/// Returns the tokens of these values. They are bytes, so that one invalid character does not hide
/// the other tokens.
pub(crate) fn list<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = &'a [u8]> {
    let values = values.into_iter().map(HeaderValue::as_bytes);
    values
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// Returns the host and the port of an authority, without the user information.
pub(crate) fn without_user_information(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// The parts of a valid `traceparent` header (W3C Recommendation Trace Context, section 3.2.2) that
/// this crate uses. They are lower-case hexadecimal digits.
pub(crate) struct Traceparent<'a> {
    /// The trace id: 32 digits, which are not all zero.
    pub(crate) trace: &'a [u8],
    /// The flags: 2 digits.
    pub(crate) flags: &'a [u8],
}

impl<'a> Traceparent<'a> {
    /// Returns `None` if the value is not valid.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let mut fields = value.split(|byte| *byte == b'-');
        let version = hex(fields.next()?, 2)?;
        let trace = hex(fields.next()?, 32)?;
        let parent = hex(fields.next()?, 16)?;
        let flags = hex(fields.next()?, 2)?;
        let is_zero = |id: &[u8]| id.iter().all(|digit| *digit == b'0');
        // Later versions may append fields; version 00 may not.
        let is_known = version != b"ff" && (version != b"00" || fields.next().is_none());
        let is_valid = is_known && !is_zero(trace) && !is_zero(parent);
        is_valid.then_some(Self { trace, flags })
    }

    /// Whether the caller may have recorded the trace: the lowest bit of the flags.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags.last().is_some_and(|digit| match digit {
            b'0'..=b'9' => (digit - b'0') & 1 == 1,
            _ => (digit - b'a') & 1 == 1,
        })
    }
}

fn hex(field: &[u8], digits: usize) -> Option<&[u8]> {
    let is_lower_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (field.len() == digits && field.iter().all(is_lower_hex)).then_some(field)
}

/// Returns the name that `HeaderMap::insert` would use. The trait is sealed, so only a map can make
/// the name.
pub(crate) fn header_name(name: impl IntoHeaderName) -> HeaderName {
    let mut names = HeaderMap::with_capacity(1);
    names.insert(name, HeaderValue::from_static(""));
    let name = names.into_iter().find_map(|(name, _)| name);
    name.unwrap_or(CONNECTION) // the default is never used, because the map contains one name
}
