//! Pairs of JSON responses, and two ways to compare them: the walker, and two trees of
//! `serde_json`.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tower_mirror::compare::{Answer, Rules, differences};

/// Two responses to the same request.
#[derive(Debug)]
pub struct Pair {
    /// The name of the row in the table.
    pub name: &'static str,
    /// The bodies of the two responses.
    pub texts: [String; 2],
}

/// One pair for each row of the cost table.
#[must_use]
pub fn pairs() -> [Pair; 5] {
    let text = issues(24, &Form::default());
    let pair = |name, second| Pair {
        name,
        texts: [text.clone(), second],
    };
    [
        // The two texts differ, so that more than a comparison of bytes is measured.
        pair("equal", format!("{text}\n")),
        pair(
            "one value",
            text.replacen("\"comments\":23", "\"comments\":24", 1),
        ),
        pair(
            "many values",
            issues(
                24,
                &Form {
                    is_new: true,
                    ..Form::default()
                },
            ),
        ),
        pair(
            "reversed keys",
            issues(
                24,
                &Form {
                    is_reversed: true,
                    ..Form::default()
                },
            ),
        ),
        hostile(text.len(), 100),
    ]
}

/// Creates a pair with one long string inside nested objects, whose keys have another order at each
/// depth.
#[must_use]
pub fn hostile(length: usize, depth: usize) -> Pair {
    let nested = |is_reversed: bool| {
        let mut text = format!("{:?}", "x".repeat(length));
        for _ in 0..depth {
            text = match is_reversed {
                false => format!("{{\"a\":1,\"v\":{text}}}"),
                true => format!("{{\"v\":{text},\"a\":1}}"),
            };
        }
        text
    };
    Pair {
        name: "hostile",
        texts: [nested(false), nested(true)],
    }
}

/// The differences of the second response.
#[derive(Debug, Default)]
pub struct Form {
    /// Each object with an id has an additional field, and the times differ.
    pub is_new: bool,
    /// All keys have the reverse order.
    pub is_reversed: bool,
}

/// Creates a list of issues in the style of a public API. Each has about 2.5 KB, and most of it is
/// URLs.
#[must_use]
pub fn issues(count: usize, form: &Form) -> String {
    let issues: Vec<_> = (0..count).map(|number| issue(number, form)).collect();
    format!("[{}]", issues.join(","))
}

fn issue(number: usize, form: &Form) -> String {
    let base = format!("https://api.example.com/repos/octo/hello/issues/{number}");
    let minute = if form.is_new { 59 } else { number };
    let mut members = vec![
        text("url", &base),
        format!("\"id\":{}", 103_703_892 + number),
        format!("\"number\":{number}"),
        text(
            "title",
            "The list of items has a page too many \u{2013} since the last release",
        ),
        format!("\"user\":{}", user(number, form)),
        format!("\"labels\":[{0},{0}]", label(form)),
        "\"state\":\"open\"".into(),
        "\"locked\":false".into(),
        "\"assignee\":null".into(),
        format!("\"comments\":{}", number * 7 % 24),
        text("created_at", &format!("2022-07-19T04:{minute:02}:49Z")),
        text("updated_at", &format!("2022-07-20T04:{minute:02}:49Z")),
        "\"score\":1.5e1".into(),
        text(
            "body",
            &"A paragraph of a body.\\nIt has \\\"quotes\\\" and a few lines. ".repeat(6),
        ),
    ];
    for name in [
        "labels",
        "comments",
        "events",
        "html",
        "timeline",
        "repository",
    ] {
        members.push(text(&format!("{name}_url"), &format!("{base}/{name}")));
    }
    object(members, form)
}

fn user(number: usize, form: &Form) -> String {
    let mut members = vec![
        text("login", "octocat"),
        format!("\"id\":{}", 583_231 + number % 3),
        text("type", "User"),
        "\"site_admin\":false".into(),
    ];
    for name in [
        "html",
        "followers",
        "following",
        "gists",
        "starred",
        "events",
        "repos",
        "orgs",
    ] {
        let url = format!("https://api.example.com/users/octocat/{name}{{/other}}");
        members.push(text(&format!("{name}_url"), &url));
    }
    object(members, form)
}

fn label(form: &Form) -> String {
    let members = [
        "\"id\":208045946",
        "\"name\":\"bug\"",
        "\"color\":\"f29513\"",
        "\"default\":true",
    ];
    object(members.map(str::to_owned).to_vec(), form)
}

/// Writes a member of an object. The value is not escaped again.
fn text(key: &str, value: &str) -> String {
    let mut member = String::new();
    let _ = write!(member, "\"{key}\":\"{value}\"");
    member
}

fn object(mut members: Vec<String>, form: &Form) -> String {
    if form.is_new {
        members.insert(1, "\"node_id\":\"MDU6SXNzdWUx\"".into());
    }
    if form.is_reversed {
        members.reverse();
    }
    format!("{{{}}}", members.join(","))
}

/// Creates a response with this body.
#[must_use]
pub fn answer(text: &str) -> Answer {
    let answer = Response::builder().header("content-type", "application/json");
    let body = Bytes::copy_from_slice(text.as_bytes());
    Answer::from(answer.body(body).expect("a head"))
}

/// Counts the differences with the walker. `None` means that the comparison is too expensive.
#[must_use]
pub fn walked(rules: &Rules, a: &Answer, b: &Answer) -> Option<usize> {
    differences(rules, a, b).ok().map(|found| found.len())
}

/// Counts the differences with two trees. It does not compute their paths, so it costs less than a
/// complete comparison.
#[must_use]
pub fn by_trees(texts: &[String; 2]) -> usize {
    let [a, b] = texts
        .each_ref()
        .map(|text| serde_json::from_str(text).expect("JSON"));
    differing(&a, &b)
}

fn differing(a: &Value, b: &Value) -> usize {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| differing(a, b)).sum()
        }
        (Value::Object(a), Value::Object(b)) => {
            let in_first = a.iter().map(|(key, value)| match b.get(key) {
                Some(other) => differing(value, other),
                None => 1,
            });
            let in_second = b.keys().filter(|key| !a.contains_key(*key));
            in_first.sum::<usize>() + in_second.count()
        }
        _ => usize::from(a != b),
    }
}
