//! Where two answers differ: a path that is normalised, so that it names a place and not a value.

use std::{borrow::Cow, cell::Cell};

use super::json::Raw;

/// The longest key that is shown. Longer keys are data more often than names.
const LONGEST_NAME: usize = 40;
/// A key of so many hexadecimal digits, at least one of them decimal, is an identifier.
const SHORTEST_ID: usize = 8;

/// A path while the answers are walked: a list on the call stack, so that a step costs no allocation.
#[derive(Clone)]
pub(super) struct Path<'p> {
    pub(super) parent: Option<&'p Path<'p>>,
    pub(super) step: Step<'p>,
    /// The identity, once it is known: many differences at a deep path cost the hash of that path once.
    pub(super) id: Cell<Option<u64>>,
}

/// The last step of a path.
#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    /// The body as a whole.
    Body,
    /// A place that has a name of its own, such as `:status`.
    Fixed(&'static str),
    /// A name from the configuration.
    Listed(&'p str),
    /// Any element of an array.
    Element,
    /// A key of a JSON object as its text has it.
    Key(Raw<'p>),
    /// A name that an answer chose, such as the name of a cookie.
    Name(&'p str),
}

impl<'p> Path<'p> {
    pub(super) const fn body() -> Self {
        Self::new(None, Step::Body)
    }

    pub(super) const fn fixed(name: &'static str) -> Self {
        Self::new(None, Step::Fixed(name))
    }

    pub(super) const fn then<'c>(&'c self, step: Step<'c>) -> Path<'c>
    where
        'p: 'c,
    {
        Path::new(Some(self), step)
    }

    const fn new(parent: Option<&'p Self>, step: Step<'p>) -> Self {
        Self {
            parent,
            step,
            id: Cell::new(None),
        }
    }
}

/// A step of a path that outlives the answers for the moments until it is counted.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Fixed(&'static str),
    Listed(Box<str>),
    Element,
    /// A key that is an identifier, or data of another kind.
    AnyKey,
    Key(Box<str>),
}

/// Whether a key is a name and not an identifier, a user's text, or something that a report cannot show.
pub(super) fn is_name(key: &str) -> bool {
    let is_data = key.chars().count() > LONGEST_NAME
        || key.starts_with(':')
        || key.contains(['@', '/', ' ', '*', '{', '}'])
        || key.chars().any(char::is_control)
        || is_identifier(key.as_bytes());
    !is_data
}

/// A number, or a hexadecimal identifier or UUID of eight characters or more.
fn is_identifier(key: &[u8]) -> bool {
    let has_digit = key.iter().any(u8::is_ascii_digit);
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.');
    let is_hex = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    let is_long = key.len() >= SHORTEST_ID;
    has_digit && (key.iter().all(is_number) || is_long && key.iter().all(is_hex))
}

/// A key as a JSON pointer writes it (RFC 6901): `~0` for `~`, `~1` for `/`.
pub(super) fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        return name.replace('~', "~0").replace('/', "~1").into();
    }
    name.into()
}

/// The name behind [`escaped`]. `None`: a `~` stands before something else than `0` or `1`.
pub(super) fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('~');
    let mut text = String::from(parts.next()?);
    for part in parts {
        let (code, rest) = part.split_at_checked(1)?;
        text.push(match code {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

/// The steps of a path with the names of its keys.
pub(super) fn segments(path: &Path<'_>) -> Box<[Segment]> {
    let mut segments = Vec::new();
    let mut next = Some(path);
    while let Some(path) = next {
        let key = |name: &str| match is_name(name) {
            true => Segment::Key(name.into()),
            false => Segment::AnyKey,
        };
        match path.step {
            Step::Body => {}
            Step::Fixed(name) => segments.push(Segment::Fixed(name)),
            Step::Listed(name) => segments.push(Segment::Listed(name.into())),
            Step::Element => segments.push(Segment::Element),
            Step::Key(raw) => segments.push(raw.name().map_or(Segment::AnyKey, |name| key(&name))),
            Step::Name(name) => segments.push(key(name)),
        }
        next = path.parent;
    }
    segments.reverse();
    segments.into()
}
