//! Headers that are lists of tokens.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The tokens of all fields of this name. Bytes, since one odd character must not hide the others.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    values
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}
