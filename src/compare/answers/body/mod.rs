//! The bodies of two answers, by their content type.

mod grpc;
mod lines;
mod multipart;
mod opaque;

use http::{HeaderMap, header};

use crate::compare::answers::{
    answer::Answer,
    found::Found,
    head::MediaType,
    json::{self, Fuel, TooCostly},
    kind::Kind,
    path::Path,
    rules::Rules,
};

/// How a body is read.
#[derive(PartialEq, Eq)]
enum Format {
    Json,
    /// A JSON text in each line.
    Lines,
    /// Server-sent events.
    Events,
    Grpc,
    Multipart,
    Opaque,
}

impl Format {
    fn of(essence: &str) -> Self {
        match essence {
            "application/json" | "text/json" => Self::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json-lines"
            | "application/jsonlines" => Self::Lines,
            "text/event-stream" => Self::Events,
            _ if essence.ends_with("+json") => Self::Json,
            _ if is_grpc(essence) => Self::Grpc,
            _ if essence.starts_with("multipart/") => Self::Multipart,
            _ => Self::Opaque,
        }
    }
}

fn is_grpc(essence: &str) -> bool {
    let rest = essence.strip_prefix("application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

/// Whether the answer's content type is gRPC's.
pub(super) fn has_grpc(answer: &Answer) -> bool {
    is_grpc(&MediaType::of(&answer.headers).essence)
}

/// Whether two whole bodies have an encoding that hides what differs.
pub(super) fn is_encoded(a: &Answer, b: &Answer) -> bool {
    let encodings = [encoding(&a.headers), encoding(&b.headers)];
    let is_same = encodings[0] == encodings[1] && a.body == b.body;
    !is_same && encodings.iter().any(|encoding| !encoding.is_empty())
}

/// Compares two whole bodies without an encoding.
pub(super) fn compare(
    a: &Answer,
    b: &Answer,
    rules: &Rules,
    found: &mut Found<'_>,
) -> Result<(), TooCostly> {
    if a.body == b.body {
        return Ok(());
    }
    let types = [MediaType::of(&a.headers), MediaType::of(&b.headers)];
    let formats = types.each_ref().map(|media| Format::of(&media.essence));
    let bodies = [&*a.body, &*b.body];
    if formats[0] != formats[1] {
        found.report(&Path::body(), Kind::Type);
        return Ok(());
    }
    let mut fuel = Fuel::for_bytes(a.body.len() + b.body.len());
    let rule = rules.json.as_ref();
    match formats[0] {
        Format::Json => return json::compare(bodies, Path::body(), rule, found, &mut fuel),
        Format::Lines => return lines::compare(bodies.map(lines::lines), rule, found, &mut fuel),
        Format::Events => return lines::compare(bodies.map(lines::events), rule, found, &mut fuel),
        Format::Grpc => grpc::compare(bodies, found),
        Format::Multipart => {
            let boundaries = types.each_ref().map(|media| media.boundary.as_deref());
            multipart::compare(bodies, boundaries, found);
        }
        Format::Opaque => opaque::compare(bodies, found),
    }
    Ok(())
}

/// The content encoding in lower case; empty where there is none, or `identity`.
fn encoding(headers: &HeaderMap) -> Vec<u8> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let codings = codings.map(|coding| coding.trim_ascii().to_ascii_lowercase());
    let codings: Vec<_> = codings
        .filter(|coding| !coding.is_empty() && coding != b"identity")
        .collect();
    codings.join(&b',')
}
