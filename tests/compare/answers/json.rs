//! The rules for two JSON texts, a row of the design's table each.

use std::fmt::Write as _;

use tower_mirror::compare::NotCompared;

use super::{between, found, json};

#[test]
fn values_that_are_written_differently_are_equal() {
    let cases = [
        (r#"{"a":1,"b":2}"#, r#"{ "b" : 2 , "a" : 1 }"#),
        (r#"[1.0,1e2,100,0.1]"#, "[1,100,1E+2,1e-1]"),
        ("-0", "0"),
        ("0.00", "0e7"),
        ("12300e-2", "123"),
        // More digits than 64 bits have.
        (
            "123456789012345678901234567890",
            "1.23456789012345678901234567890e29",
        ),
        ("1e999999999999", "10e999999999998"),
        (r#""\u00e9\n\/""#, "\"é\\u000A/\""),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#"{"\u0061":1}"#, r#"{"a":1}"#),
        (" [ ] ", "[]"),
        ("{}", "{ }"),
        // The last of two equal keys is valid.
        (r#"{"a":1,"a":2}"#, r#"{"a":3,"a":2}"#),
        (r#"{"a":1,"a":2,"b":0}"#, r#"{"b":0,"a":3,"a":2}"#),
    ];
    for (a, b) in cases {
        assert_eq!(between(a, b), "", "{a} and {b}");
        assert_eq!(between(b, a), "", "{b} and {a}");
    }
}

#[test]
fn a_difference_has_a_path_and_a_kind() {
    let cases = [
        ("1", "2", ":body value"),
        ("1", "\"1\"", ":body type"),
        ("null", "[]", ":body type"),
        ("true", "false", ":body value"),
        ("true", "null", ":body type"),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, "/b added"),
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, "/b removed"),
        (r#"{"a":1}"#, r#"{"b":1}"#, "/a removed, /b added"),
        (
            r#"{"a":{"b":[{"c":1}]}}"#,
            r#"{"a":{"b":[{"c":2}]}}"#,
            "/a/b/*/c value",
        ),
        (
            r#"{"a":{"b":[{"c":1}]}}"#,
            r#"{"a":{"b":[{"c":{}}]}}"#,
            "/a/b/*/c type",
        ),
        // Out of step: what lies below is still compared.
        (
            r#"{"a":1,"b":{"c":1,"d":2}}"#,
            r#"{"b":{"d":2,"c":9},"a":1}"#,
            "/b/c value",
        ),
        ("1e999", "1e998", ":body value"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567891",
            ":body value",
        ),
        ("0.1", "0.10000000000000001", ":body value"),
        (
            "1e99999999999999999999",
            "1e99999999999999999998",
            ":body value",
        ),
        // No normal form of Unicode: these two letters look alike.
        ("\"\u{e9}\"", "\"e\u{301}\"", ":body value"),
        (r#""\ud800""#, r#""\ud801""#, ":body value"),
        (r#""\ud800""#, r#""\ufffd""#, ":body value"),
        (
            r#"{"a/b":1,"~":1}"#,
            r#"{"~":2}"#,
            "/{key} removed, /~0 value",
        ),
        (r#"{":status":1}"#, r#"{":status":2}"#, "/{key} value"),
    ];
    for (a, b, expected) in cases {
        assert_eq!(between(a, b), expected, "{a} and {b}");
    }
}

#[test]
fn a_difference_in_many_elements_is_one_difference() {
    let (a, b) = (
        r#"[{"n":1},{"n":2},{"n":3}]"#,
        r#"[{"n":4},{"n":"5"},{"n":6}]"#,
    );
    assert_eq!(between(a, b), "/*/n type, /*/n value");
}

#[test]
fn an_array_of_another_length_is_one_difference() {
    let cases = [
        ("[]", "[1]", ":body length"),
        (r#"{"a":[1,2,3]}"#, r#"{"a":[0,1,2,3]}"#, "/a length"),
        (
            r#"{"a":[{"b":1},{"b":2}],"c":1}"#,
            r#"{"a":[{"b":3}],"c":2}"#,
            "/a length, /c value",
        ),
        // The differences of an inner array are discarded with it, and earlier ones are kept.
        (r#"[[1,2],[3]]"#, r#"[[1],[3],[4]]"#, ":body length"),
        (
            r#"{"a":[{"b":1}],"c":[{"b":1},2]}"#,
            r#"{"a":[{"b":2}],"c":[{"b":2}]}"#,
            "/a/*/b value, /c length",
        ),
    ];
    for (a, b, expected) in cases {
        assert_eq!(between(a, b), expected, "{a} and {b}");
    }
}

#[test]
fn the_same_elements_in_another_order_are_one_difference() {
    let cases = [
        ("[1,2,3]", "[3,1,2]", ":body order"),
        (
            r#"{"a":[{"b":1,"c":2},{"b":3,"c":4}]}"#,
            r#"{"a":[{"c":4,"b":3},{"b":1,"c":2}]}"#,
            "/a order",
        ),
        // Not the same multiset.
        ("[1,1,2]", "[2,2,1]", "/* value"),
        ("[1,2,3]", "[3,1,1]", "/* value"),
        (r#"["a",1]"#, r#"[1,"a"]"#, ":body order"),
    ];
    for (a, b, expected) in cases {
        assert_eq!(between(a, b), expected, "{a} and {b}");
    }
}

#[test]
fn a_key_that_one_side_has_twice_is_a_difference() {
    let cases = [
        (r#"{"a":1}"#, r#"{"a":1,"a":1}"#, "/a duplicate_key"),
        (
            r#"{"a":2,"a":1}"#,
            r#"{"a":2}"#,
            "/a duplicate_key, /a value",
        ),
        (
            r#"{"b":1,"a":1,"a":1}"#,
            r#"{"b":1,"a":2,"a":2}"#,
            "/a value",
        ),
        // The first value counts only as long as it is the last one.
        (r#"{"a":1,"b":0,"a":5}"#, r#"{"a":2,"b":0,"a":5}"#, ""),
        (
            r#"{"x":{"a":1,"b":0,"a":5},"y":1}"#,
            r#"{"x":{"a":2,"b":0,"a":5},"y":2}"#,
            "/y value",
        ),
        (r#"{"a":1}"#, r#"{"\u0061":1,"a":1}"#, "/a duplicate_key"),
    ];
    for (a, b, expected) in cases {
        assert_eq!(between(a, b), expected, "{a} and {b}");
    }
}

#[test]
fn what_is_not_json_is_a_difference_of_one_side() {
    let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        between(nested(128), nested(127)),
        "/*".repeat(127) + " type"
    );
    let too_deep = nested(129);
    let broken: &[&[u8]] = &[
        b"",
        b"NaN",
        b"[1,]",
        b"{\"a\":1,}",
        b"[1] // one",
        b"/**/[1]",
        b"\xef\xbb\xbf[1]",
        b"[1][2]",
        b"[1 [2]]",
        b"{\"a\":1{\"b\":2}",
        b"{,\"a\":1}",
        b"[,1]",
        b"\"\xff\"",
        b"'a'",
        b"{a:1}",
        b"{1:1}",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"1e",
        b"\"\\x\"",
        b"\"\\u12g4\"",
        b"\"a\nb\"",
        b"\"12345678\x01\"",
        b"tru",
        b"[1}",
        b"{\"a\":1]",
        b"{\"a\"}",
        b"[\"a\"",
        too_deep.as_bytes(),
    ];
    for text in broken {
        let shown = String::from_utf8_lossy(text);
        for valid in ["[1]", "{\"a\":1}", "0", "\"a\"", "[[1]]"] {
            assert_eq!(between(text, valid), ":body syntax", "{shown}");
            assert_eq!(between(valid, text), ":body syntax", "{shown}");
        }
        // Two that are not JSON are compared by their bytes.
        assert_eq!(between(text, text), "", "{shown}");
        let other = [text, b"[".as_slice()].concat();
        assert_eq!(between(text, other), ":body value", "{shown}");
    }
}

/// The scan for the end of a string looks at eight bytes at a time.
#[test]
fn no_control_character_is_allowed_at_any_place_of_a_string() {
    for place in 0..20 {
        for byte in 0..=0x7f_u8 {
            let mut text = [b"\"".as_slice(), &[b'x'; 20], b"\""].concat();
            text[place + 1] = byte;
            let is_refused = byte < 0x20 || matches!(byte, b'"' | b'\\');
            let expected = if is_refused {
                ":body syntax"
            } else {
                ":body type"
            };
            assert_eq!(between(&text, "1"), expected, "{byte} at {place}");
        }
    }
}

#[test]
fn what_was_found_before_a_syntax_error_does_not_count() {
    assert_eq!(
        between(r#"{"a":1,"b":2}"#, r#"{"a":2,"b":}"#),
        ":body syntax"
    );
}

/// Keys out of order at each of 100 depths: every level reads again what lies below it.
fn reversed_at_each_depth(depth: usize, padding: usize, is_reversed: bool) -> String {
    let mut text = format!("{:?}", "x".repeat(padding));
    for _ in 0..depth {
        let (value, other) = (format!("\"v\":{text}"), "\"a\":1");
        text = match is_reversed {
            false => format!("{{{other},{value}}}"),
            true => format!("{{{value},{other}}}"),
        };
    }
    text
}

#[test]
fn hostile_texts_run_out_of_fuel() {
    let found = |depth| {
        let texts = [false, true].map(|is| json(reversed_at_each_depth(depth, 100_000, is)));
        found(
            &tower_mirror::compare::Rules::default(),
            &texts[0],
            &texts[1],
        )
    };
    // Some depth is normal, and has the right result.
    assert_eq!(found(5), Ok(vec![]));
    assert_eq!(found(100), Err(NotCompared::TooCostly));
}

#[test]
fn a_long_path_to_many_differences_is_one_difference() {
    let text = |digit: char| {
        let elements = format!("{digit},").repeat(50_000);
        let (open, close) = ("[".repeat(120), "]".repeat(120));
        format!("{open}{elements}{digit}{close}")
    };
    assert_eq!(between(text('1'), text('2')), "/*".repeat(120) + " value");
}

#[test]
fn differences_without_number_are_cut_to_other() {
    let object = |letter: char| {
        let mut text = String::from("{");
        for at in 0..3000 {
            let name: String = format!("{at:04}")
                .bytes()
                .map(|d| char::from(d - b'0' + b'g'))
                .collect();
            write!(text, "\"{letter}{name}\":0,").expect("memory");
        }
        text + "\"end\":0}"
    };
    let found = found(
        &tower_mirror::compare::Rules::default(),
        &json(object('x')),
        &json(object('y')),
    );
    let found = found.expect("cheap");
    assert_eq!(found.len(), 1025);
    assert!(found.contains(&":other value".to_owned()));
}
