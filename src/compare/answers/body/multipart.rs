//! Multipart bodies: the parts in their order, whatever the boundary is.

use super::opaque;
use crate::compare::answers::{
    found::Found,
    kind::Kind,
    path::{Path, Step},
};

/// Compares the parts. Without a boundary, or without a closing one, the bodies are compared as a whole.
pub(super) fn compare(bodies: [&[u8]; 2], boundaries: [Option<&str>; 2], found: &mut Found<'_>) {
    let parts = |at: usize| parts(bodies[at], boundaries[at]?);
    let (first, second) = match (parts(0), parts(1)) {
        (Some(first), Some(second)) => (first, second),
        (None, None) => return opaque::compare(bodies, found),
        _ => return found.report(&Path::body(), Kind::Syntax),
    };
    if first.len() != second.len() {
        return found.report(&Path::body(), Kind::Length);
    }
    let whole = Path::body();
    let path = whole.then(Step::Element);
    for (a, b) in first.iter().zip(&second) {
        let ([head, body], [other_head, other_body]) = (split(a), split(b));
        if name(head) != name(other_head) {
            found.report(&path.then(Step::Fixed(":name")), Kind::Value);
        }
        if body == other_body {
            found.equal();
        } else {
            found.report(&path, Kind::Value);
        }
    }
}

/// The texts between the boundaries (RFC 2046, 5.1.1).
fn parts<'t>(body: &'t [u8], boundary: &str) -> Option<Vec<&'t [u8]>> {
    if boundary.is_empty() {
        return None;
    }
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut rest = after(body, &delimiter)?.1;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, next) = after(rest, &delimiter)?;
        parts.push(part.strip_suffix(b"\r\n").unwrap_or(part));
        rest = next;
    }
    Some(parts)
}

/// The text before the next delimiter at the start of a line, and the text behind it.
fn after<'t>(text: &'t [u8], delimiter: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let mut start = 0;
    loop {
        let line = &text[start..];
        if let Some(rest) = line.strip_prefix(delimiter) {
            return Some((&text[..start], rest));
        }
        start += line.iter().position(|byte| *byte == b'\n')? + 1;
    }
}

/// The head and the body of a part.
fn split(part: &[u8]) -> [&[u8]; 2] {
    let part = part.strip_prefix(b"\r\n").unwrap_or(part);
    if let Some(body) = part.strip_prefix(b"\r\n") {
        return [b"", body];
    }
    match part.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => [&part[..at], &part[at + 4..]],
        None => [b"", part],
    }
}

/// The `content-disposition` of a part, which has its name.
fn name(head: &[u8]) -> Option<&[u8]> {
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(b"content-disposition"));
    found.map(|(_, value)| value)
}
