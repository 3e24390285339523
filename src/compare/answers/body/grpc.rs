//! gRPC messages: how many there are, and for each its length and its bytes.

use crate::compare::answers::{
    found::Found,
    kind::Kind,
    path::{Path, Step},
};

/// A flag for compression, and the length in four bytes.
const PREFIX: usize = 5;

/// Reads one message with its prefix. `None`: what remains is not a message.
fn message(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_be_bytes(body.get(1..PREFIX)?.try_into().ok()?);
    let end = PREFIX.checked_add(usize::try_from(length).ok()?)?;
    body.split_at_checked(end)
}

/// The number of messages. `None`: the body is not a sequence of messages.
fn count(mut body: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !body.is_empty() {
        body = message(body)?.1;
        count += 1;
    }
    Some(count)
}

pub(super) fn compare([mut a, mut b]: [&[u8]; 2], found: &mut Found<'_>) {
    match (count(a), count(b)) {
        (None, None) => return found.report(&Path::body(), Kind::Value),
        (None, _) | (_, None) => return found.report(&Path::body(), Kind::Syntax),
        (first, second) if first != second => return found.report(&Path::body(), Kind::Length),
        _ => {}
    }
    while let (Some((first, rest)), Some((second, other))) = (message(a), message(b)) {
        if first == second {
            found.equal();
        } else {
            let kind = match first.len() == second.len() {
                true => Kind::Value,
                false => Kind::Length,
            };
            found.report(&Path::body().then(Step::Element), kind);
        }
        (a, b) = (rest, other);
    }
}
