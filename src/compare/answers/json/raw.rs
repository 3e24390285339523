//! A JSON string as it stands in the text.

use std::borrow::Cow;

/// Longer texts are not names, even if each character is an escape. Without a limit, each difference below a
/// long key would cost its length.
const LONGEST_NAME: usize = 512;

/// What stands between the quotes of a valid JSON string.
#[derive(Clone, Copy)]
pub(in crate::compare::answers) struct Raw<'t> {
    pub(super) text: &'t [u8],
    pub(super) has_escapes: bool,
}

impl<'t> Raw<'t> {
    /// Whether two strings are equal once their escapes are resolved.
    pub(super) fn is_same(self, other: Raw<'_>) -> bool {
        if self.text == other.text {
            return true;
        }
        (self.has_escapes || other.has_escapes) && self.decoded() == other.decoded()
    }

    /// The string without escapes. A lone surrogate becomes the three bytes that UTF-8 would have for it, so that
    /// different strings stay different.
    pub(super) fn decoded(self) -> Cow<'t, [u8]> {
        if !self.has_escapes {
            return self.text.into();
        }
        let mut decoded = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
            decoded.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            let (code, length) = escape(rest);
            push(code, &mut decoded);
            rest = rest.get(length..).unwrap_or_default();
        }
        decoded.extend_from_slice(rest);
        decoded.into()
    }

    /// The string as a name. `None`: it contains a lone surrogate, or is far too long for a name.
    pub(in crate::compare::answers) fn name(self) -> Option<Cow<'t, str>> {
        if self.text.len() > LONGEST_NAME {
            return None;
        }
        match self.decoded() {
            Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
            Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
        }
    }
}

/// The character that an escape stands for, and the length of the escape. The text is valid.
fn escape(text: &[u8]) -> (u32, usize) {
    let simple = match text.get(1) {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => 0x0a,
        Some(b'r') => 0x0d,
        Some(b't') => 0x09,
        Some(b'u') => return unicode(text),
        Some(other) => u32::from(*other),
        None => u32::from(b'\\'),
    };
    (simple, 2)
}

fn unicode(text: &[u8]) -> (u32, usize) {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(text.get(at..at + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(2).unwrap_or(0xfffd);
    let is_low = |unit: &u32| (0xdc00..0xe000).contains(unit);
    if (0xd800..0xdc00).contains(&first) && text.get(6..8) == Some(b"\\u") {
        if let Some(second) = unit(8).filter(is_low) {
            return (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12);
        }
    }
    (first, 6)
}

fn push(code: u32, decoded: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(c) => decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => decoded.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}
