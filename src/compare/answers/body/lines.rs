//! NDJSON and server-sent events: a sequence of texts, each of which is an element.

use std::borrow::Cow;

use crate::compare::answers::{
    found::Found,
    json::{self, Fuel, Node, TooCostly},
    kind::Kind,
    path::{Path, Step},
};

/// An element: its name, which only events have, and its text.
pub(super) struct Element<'t> {
    event: &'t [u8],
    data: Cow<'t, [u8]>,
}

/// The lines of an NDJSON body that are not empty.
pub(super) fn lines(body: &[u8]) -> Vec<Element<'_>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty())
        .map(|line| Element {
            event: b"",
            data: line.into(),
        })
        .collect()
}

/// The events of an event stream that have data, by the rules of the HTML standard. `id`, `retry` and comments are not compared.
pub(super) fn events(body: &[u8]) -> Vec<Element<'_>> {
    let mut events = Vec::new();
    let (mut event, mut data): (&[u8], Option<Cow<'_, [u8]>>) = (b"", None);
    let mut rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // What stands behind the last empty line is not an event.
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = &rest[..end];
        let is_pair = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + 1 + usize::from(is_pair)..];
        if line.is_empty() {
            if let Some(data) = data.take() {
                events.push(Element { event, data });
            }
            event = b"";
            continue;
        }
        let (name, value) = field(line);
        match name {
            b"event" => event = value,
            b"data" => match &mut data {
                None => data = Some(value.into()),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            _ => {}
        }
    }
    events
}

fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return (line, b"");
    };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

/// Compares element by element. Sequences of different lengths have the single difference [`Kind::Length`].
pub(super) fn compare(
    [a, b]: [Vec<Element<'_>>; 2],
    rule: Option<&Node>,
    found: &mut Found<'_>,
    fuel: &mut Fuel,
) -> Result<(), TooCostly> {
    if a.len() != b.len() {
        found.report(&Path::body(), Kind::Length);
        return Ok(());
    }
    let rule = rule.and_then(Node::element);
    let body = Path::body();
    let path = body.then(Step::Element);
    for (a, b) in a.iter().zip(&b) {
        if a.event != b.event {
            found.report(&path.then(Step::Fixed(":event")), Kind::Value);
        }
        json::compare([&*a.data, &*b.data], path.clone(), rule, found, fuel)?;
    }
    Ok(())
}
