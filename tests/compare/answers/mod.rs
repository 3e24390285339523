//! What differs between two answers: the rules of heads and bodies, their limits, and real answers.

mod bodies;
mod corpus;
mod cost;
mod heads;
mod json;
mod names;
mod oracle;
mod privacy;
mod rules;
mod together;
mod triples;

use bytes::Bytes;
use http::Response;
use tower_mirror::compare::{Answer, NotCompared, Rules, differences};

/// An answer with the status 200, this content type and this body.
fn answer(content_type: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = Bytes::copy_from_slice(body.as_ref());
    let answer = Response::builder().header("content-type", content_type);
    Answer::from(answer.body(body).expect("a head"))
}

fn json(body: impl AsRef<[u8]>) -> Answer {
    answer("application/json", body)
}

/// The differences of two answers as `path kind`, sorted.
fn found(rules: &Rules, a: &Answer, b: &Answer) -> Result<Vec<String>, NotCompared> {
    let found = differences(rules, a, b)?;
    let mut found: Vec<_> = found.iter().map(ToString::to_string).collect();
    found.sort();
    Ok(found)
}

/// The differences of two JSON texts, joined by commas.
fn between(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> String {
    with(&Rules::default(), a, b)
}

fn with(rules: &Rules, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> String {
    found(rules, &json(a), &json(b)).expect("cheap").join(", ")
}
