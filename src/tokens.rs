//! Headers that are lists of tokens.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The tokens of all fields of this name.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    list(headers.get_all(name))
}

/// The tokens of these values. Bytes, since one odd character must not hide the others.
pub(crate) fn list<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = &'a [u8]> {
    let values = values.into_iter().map(HeaderValue::as_bytes);
    values
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}
