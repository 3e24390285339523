//! The walker beside `serde_json`, on generated texts.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use tower_mirror::compare::{Json, Kind, Rules};

use super::{answer, between, found, json};

/// A small set of keys and values, so that two values that are generated independently have much in common.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(1e300), Just(-2.25)].prop_map(Value::from),
        "[a\"\\\\\u{e9}\n]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-e\"]", inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Changes some leaves, keys and lengths.
fn changed(value: &Value, changes: &mut impl Iterator<Item = u8>) -> Value {
    match (changes.next(), value) {
        (Some(0), _) => Value::from(7),
        (Some(1), _) => Value::from("changed"),
        (Some(2), Value::Array(elements)) => elements.iter().skip(1).cloned().collect(),
        (Some(3), Value::Object(members)) => {
            let added = ("z".to_owned(), Value::Null);
            members.clone().into_iter().skip(1).chain([added]).collect()
        }
        (Some(4), Value::Array(elements)) => elements.iter().rev().cloned().collect(),
        (_, Value::Array(elements)) => elements.iter().map(|e| changed(e, changes)).collect(),
        (_, Value::Object(members)) => {
            let members = members
                .iter()
                .map(|(k, v)| (k.clone(), changed(v, changes)));
            members.collect()
        }
        _ => value.clone(),
    }
}

/// A text of the value with keys, escapes and white space in another form.
fn written(value: &Value, choices: &mut impl Iterator<Item = u8>) -> String {
    let mut choose = || choices.next().unwrap_or(0);
    let space = [" ", "", "\n\t", ""][usize::from(choose() % 4)];
    let is_reversed = choose() % 2 == 1;
    let text = match value {
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|e| written(e, choices)).collect();
            format!("[{}]", elements.join(","))
        }
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                let key = written(&Value::from(key.as_str()), choices);
                format!("{key}:{}", written(value, choices))
            };
            let mut members: Vec<_> = members.iter().map(member).collect();
            if is_reversed {
                members.reverse();
            }
            format!("{{{}}}", members.join(","))
        }
        Value::String(text) if is_reversed => {
            let unit = |unit| format!("\\u{unit:04x}");
            format!("\"{}\"", text.encode_utf16().map(unit).collect::<String>())
        }
        other => other.to_string(),
    };
    format!("{space}{text}{space}")
}

/// What the design says about two values, on trees.
fn expected(a: &Value, b: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() != b.len() => report(found, path, "length"),
        (Value::Array(a), Value::Array(b)) => {
            let differing = a.iter().zip(b).filter(|(a, b)| a != b).count();
            if differing > 1 && is_permuted(a, b) {
                return report(found, path, "order");
            }
            for (a, b) in a.iter().zip(b) {
                expected(a, b, &format!("{path}/*"), found);
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                let path = format!("{path}/{key}");
                match b.get(key) {
                    None => report(found, &path, "removed"),
                    Some(other) => {
                        expected(value, other, &path, found);
                    }
                }
            }
            for key in b.keys().filter(|key| !a.contains_key(*key)) {
                report(found, &format!("{path}/{key}"), "added");
            }
        }
        _ if std::mem::discriminant(a) != std::mem::discriminant(b) => report(found, path, "type"),
        _ if a != b => report(found, path, "value"),
        _ => {}
    }
}

fn report(found: &mut BTreeSet<String>, path: &str, kind: &str) {
    let path = if path.is_empty() { ":body" } else { path };
    found.insert(format!("{path} {kind}"));
}

fn is_permuted(a: &[Value], b: &[Value]) -> bool {
    let mut rest: Vec<_> = b.iter().collect();
    a.iter().all(|a| {
        let at = rest.iter().position(|b| *b == a);
        at.map(|at| rest.swap_remove(at)).is_some()
    })
}

fn all_differences(a: &Value, b: &Value) -> String {
    let mut found = BTreeSet::new();
    expected(a, b, "", &mut found);
    found.into_iter().collect::<Vec<_>>().join(", ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_value_has_no_difference_to_itself(value in value(), choices in vec(any::<u8>(), 0..400)) {
        let mut choices = choices.into_iter();
        let (a, b) = (written(&value, &mut choices), written(&value, &mut choices));
        prop_assert_eq!(between(&a, &b), "", "{} and {}", a, b);
    }

    #[test]
    fn the_differences_are_those_of_the_trees(
        first in value(),
        changes in vec(0..30_u8, 0..60),
        choices in vec(any::<u8>(), 0..400),
    ) {
        let second = changed(&first, &mut changes.into_iter());
        // `order` is recognised if both sides are written in the same way.
        let (a, b) = (first.to_string(), second.to_string());
        prop_assert_eq!(between(&a, &b), all_differences(&first, &second), "{} and {}", a, b);
        // In another form there is a difference exactly if there is one between the trees.
        let mut choices = choices.into_iter();
        let (a, b) = (written(&first, &mut choices), written(&second, &mut choices));
        prop_assert_eq!(between(&a, &b).is_empty(), first == second, "{} and {}", a, b);
    }

    #[test]
    fn independent_values_too(first in value(), second in value()) {
        let (a, b) = (first.to_string(), second.to_string());
        prop_assert_eq!(between(&a, &b), all_differences(&first, &second), "{} and {}", a, b);
    }

    #[test]
    fn the_same_texts_are_json(text in "[\\[\\]{}:,\"a1e.+\\-\\\\u0 tfn\u{e9}]{0,12}|\\[[0-9.eE+\\-]{1,6}\\]|\"[\\\\\"bu0-9a]{0,8}\"") {
        // Two texts that no generated text equals.
        let is_json = |text: &str| {
            let found = found(&Default::default(), &json(text), &json("[\"other text\"]"));
            found.expect("cheap") != [":body syntax"]
        };
        let oracle = serde_json::from_str::<Value>(&text);
        let out_of_range = oracle.as_ref().is_err_and(|error| {
            // serde_json refuses these by design, and both are "implementation defined" in JSONTestSuite.
            let error = error.to_string();
            error.contains("number out of range") || error.contains("surrogate") || error.contains("hex escape")
        });
        if !out_of_range {
            prop_assert_eq!(is_json(&text), oracle.is_ok(), "{}", text);
        }
    }

    /// Whatever two bodies contain: a result, the same in both directions, and none for equal bodies.
    #[test]
    fn no_body_is_too_strange(
        kind in 0..CONTENT_TYPES.len(),
        a in strange(),
        b in strange(),
    ) {
        let of = |body: &[u8]| answer(CONTENT_TYPES[kind], body);
        let rules = Json::new().shape("/*/a").unordered("/a").tolerance("/*", 0.5).ignore("/{key}/b");
        let rules = Rules::builder().json(rules).expect("/*", Kind::Value).build().expect("valid rules");
        let there = found(&rules, &of(&a), &of(&b)).expect("cheap");
        let back = found(&rules, &of(&b), &of(&a)).expect("cheap");
        prop_assert_eq!(there.len(), back.len(), "{:?} and {:?}", there, back);
        prop_assert!(found(&rules, &of(&a), &of(&a)).expect("cheap").is_empty());
    }
}

const CONTENT_TYPES: [&str; 7] = [
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
    "application/grpc",
    "multipart/mixed; boundary=b",
    "text/plain",
    "",
];

/// Bytes at random, and bytes that have some of the structure of each format.
fn strange() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "1",
        "-0.5e3",
        "null",
        "\n",
        "\r\n",
        "data: ",
        "event: x",
        "--b",
        "--",
        "\0\0\0\0\u{1}",
        "\0\0\0\0\0",
        "x: y",
        " ",
        "\u{e9}",
        "\\u00",
    ];
    prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(proptest::sample::select(PIECES), 0..30)
            .prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}
