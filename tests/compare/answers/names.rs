//! Which keys have a name in a report, and how many paths there can be.

use std::fmt::Write as _;

use tower_mirror::compare::{Answer, Comparer, Kind, PathId, Rules};

use super::{between, json};

/// The paths of one request's differences, in the order in which they were found.
fn differing(comparer: &mut Comparer, a: &Answer, b: &Answer) -> Vec<PathId> {
    let compared = comparer.compare(a, b, None).expect("cheap");
    compared.shadow_only.iter().map(|(path, _)| *path).collect()
}

#[test]
fn identifiers_are_not_names() {
    let uuid = "0b6ad7c2-3c1d-4f0a-9f5e-3a4c2b1d0e9f";
    let long = "a".repeat(41);
    for key in [
        "7",
        "42",
        "-1.5",
        "12345678",
        "deadbee1",
        "0xff@",
        uuid,
        "a@b.example",
        "a/b",
        "a b",
        "*",
        "{key}",
        ":x",
        "a\\nb",
        &long,
    ] {
        let (a, b) = (format!("{{\"{key}\":1}}"), format!("{{\"{key}\":2}}"));
        assert_eq!(between(a, b), "/{key} value", "{key}");
    }
    // Names: without a digit, too short, or with other letters.
    let longest = "a".repeat(40);
    for key in [
        "deadbeef",
        "abc123",
        "v2",
        "imageUrl2",
        "kebab-case-key",
        "\u{e9}t\u{e9}",
        "x_0123456789abcdef",
        &longest,
    ] {
        let (a, b) = (format!("{{\"{key}\":1}}"), format!("{{\"{key}\":2}}"));
        assert_eq!(between(a, b), format!("/{key} value"), "{key}");
    }
}

#[test]
fn a_key_has_its_name_from_the_fifth_request_on() {
    let mut comparer = Comparer::new(Rules::default());
    let (a, b) = (json(r#"{"a":[{"b":1}]}"#), json(r#"{"a":[{"b":2}]}"#));
    let mut paths = Vec::new();
    for request in 1..=6 {
        let path = differing(&mut comparer, &a, &b)[0];
        let expected = if request < 5 {
            "/{key}/*/{key}"
        } else {
            "/a/*/b"
        };
        assert_eq!(comparer.path(path), expected, "request {request}");
        paths.push(path);
    }
    // It was the same path at all times, and a key that is rare stays without a name below one that is not.
    assert!(paths.iter().all(|path| *path == paths[0]));
    let rare = differing(&mut comparer, &a, &json(r#"{"a":[{"b":1,"rare":1}]}"#))[0];
    assert_eq!(comparer.path(rare), "/a/*/{key}");
}

#[test]
fn one_request_counts_once_however_often_it_has_a_key() {
    let mut comparer = Comparer::new(Rules::default());
    let (a, b) = (
        json("[{},{},{},{},{},{}]"),
        json(r#"[{"k":1},{"k":1},{"k":1},{"k":1},{"k":1},{"k":1}]"#),
    );
    for _ in 0..4 {
        let compared = comparer.compare(&a, &b, Some(&b)).expect("cheap");
        assert_eq!(comparer.path(compared.both[0].0), "/*/{key}");
    }
    let compared = comparer.compare(&a, &b, Some(&b)).expect("cheap");
    assert_eq!(comparer.path(compared.both[0].0), "/*/k");
}

/// An object with these keys, and one with other values.
fn objects(keys: impl Iterator<Item = usize>) -> [Answer; 2] {
    let mut texts = [String::from("{"), String::from("{")];
    for key in keys {
        let name: String = format!("{key:05}")
            .bytes()
            .map(|digit| char::from(digit - b'0' + b'g'))
            .collect();
        for (value, text) in texts.iter_mut().enumerate() {
            let comma = if text.len() == 1 { "" } else { "," };
            write!(text, "{comma}\"{name}\":{value}").expect("memory");
        }
    }
    texts.map(|text| json(text + "}"))
}

#[test]
fn an_object_with_many_keys_is_a_map() {
    let mut comparer = Comparer::new(Rules::default());
    let mut paths = Vec::new();
    for key in 0..200 {
        let [a, b] = objects(key..key + 1);
        paths.extend(differing(&mut comparer, &a, &b));
    }
    // 64 keys have a path each, all others share one.
    let mut distinct = paths.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 65);
    assert!(paths[64..].iter().all(|path| *path == paths[64]));
    // The early keys keep their paths.
    let [a, b] = objects(3..4);
    assert_eq!(differing(&mut comparer, &a, &b), [paths[3]]);
    // Of a request with many new keys, all are in the table or share its path.
    let [a, b] = objects(0..300);
    let together = differing(&mut comparer, &a, &b);
    assert_eq!(together.len(), 65);
}

#[test]
fn many_keys_at_once_do_not_prefer_shadow_or_baseline() {
    // Both have 300 new keys of their own in one request, so both reach the limit at the same time.
    let mut totals = [0_usize; 2];
    for _ in 0..20 {
        let mut comparer = Comparer::new(Rules::default());
        let [_, shadow] = objects(0..300);
        let [_, baseline] = objects(300..600);
        let compared = comparer
            .compare(&json("{}"), &shadow, Some(&baseline))
            .expect("cheap");
        let named = [&compared.shadow_only, &compared.baseline_only].map(Vec::len);
        // What is beyond the limit is `{key} added` on both sides, and is cancelled.
        assert_eq!((named[0] + named[1], compared.both.len()), (64, 1));
        totals = [totals[0] + named[0], totals[1] + named[1]];
    }
    // 1280 tosses of a fair coin: below 440 in one of 10^28 runs.
    assert!(totals.iter().all(|total| *total > 440), "{totals:?}");
}

#[test]
fn the_table_is_bounded() {
    let mut comparer = Comparer::new(Rules::default());
    let name = |number: usize| -> String {
        let digits = format!("{number:02}");
        digits
            .bytes()
            .map(|digit| char::from(digit - b'0' + b'g'))
            .collect()
    };
    let mut paths = std::collections::HashSet::new();
    for first in 0..60 {
        for second in 0..60 {
            let text = |value| {
                let keys: Vec<_> = (0..60)
                    .map(|third| format!("\"{}\":{value}", name(third)))
                    .collect();
                json(format!(
                    "{{\"{}\":{{\"{}\":{{{}}}}}}}",
                    name(first),
                    name(second),
                    keys.join(",")
                ))
            };
            paths.extend(differing(&mut comparer, &text(1), &text(2)));
        }
    }
    // 216 000 paths have been seen; 4096 keys are known, and the others are `{key}`.
    assert!(paths.len() <= 4300, "{}", paths.len());
    assert!(format!("{comparer:?}").contains("nodes: "), "{comparer:?}");
}

#[test]
fn the_kinds_are_counted_apart() {
    let mut comparer = Comparer::new(Rules::default());
    let compared = comparer.compare(
        &json("[{\"a\":1},{\"a\":1}]"),
        &json("[{\"a\":2},{}]"),
        None,
    );
    let compared = compared.expect("cheap");
    let kinds: Vec<_> = compared.shadow_only.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [Kind::Value, Kind::Removed]);
    assert_eq!(compared.shadow_only[0].0, compared.shadow_only[1].0);
}
