//! `ignore`, `shape`, `unordered`, `tolerance` and `expect`, and what is refused as a rule.

use tower_mirror::compare::{InvalidRules, Json, Kind, Rules, RulesBuilder, differences};

use super::{json, with};

fn rules(json: Json) -> Rules {
    Rules::builder().json(json).build().expect("valid rules")
}

#[test]
fn an_ignored_path_has_no_difference_below_it_either() {
    let rules = rules(Json::new().ignore("/debug").ignore("/items/*/etag"));
    let cases = [
        (r#"{"debug":1}"#, r#"{"debug":{"a":[]}}"#, ""),
        (r#"{"debug":1}"#, "{}", ""),
        ("{}", r#"{"debug":1}"#, ""),
        (r#"{"debug":1,"x":1}"#, r#"{"x":2,"debug":2}"#, "/x value"),
        (r#"{"debug":1}"#, r#"{"debug":2,"debug":3}"#, ""),
        (
            r#"{"items":[{"etag":1},{"etag":2}]}"#,
            r#"{"items":[{"etag":3},{}]}"#,
            "",
        ),
        // The same name elsewhere is not ignored.
        (r#"{"etag":1}"#, r#"{"etag":2}"#, "/etag value"),
        (
            r#"{"items":{"etag":1}}"#,
            r#"{"items":{"etag":2}}"#,
            "/items/etag value",
        ),
        // A key with an escape is the same key.
        (r#"{"d\u0065bug":1}"#, r#"{"debug":2}"#, ""),
    ];
    for (a, b, expected) in cases {
        assert_eq!(with(&rules, a, b), expected, "{a} and {b}");
    }
    // What is ignored must be JSON nevertheless.
    assert_eq!(
        with(&rules, r#"{"debug":1}"#, r#"{"debug":01}"#),
        ":body syntax"
    );
}

#[test]
fn a_shape_is_presence_and_type() {
    let rules = rules(Json::new().shape("/meta").shape("/items/*/etag"));
    let cases = [
        (
            r#"{"meta":{"id":1,"s":"a","l":[1,2]}}"#,
            r#"{"meta":{"s":"b","l":[3],"id":2}}"#,
            "",
        ),
        (
            r#"{"meta":{"id":1}}"#,
            r#"{"meta":{"id":"1"}}"#,
            "/meta/id type",
        ),
        (r#"{"meta":{"id":1}}"#, r#"{"meta":{}}"#, "/meta/id removed"),
        (r#"{"meta":[1,2]}"#, r#"{"meta":[2,1]}"#, ""),
        (r#"{"meta":true}"#, r#"{"meta":false}"#, ""),
        (
            r#"{"items":[{"etag":"a"}]}"#,
            r#"{"items":[{"etag":null}]}"#,
            "/items/*/etag type",
        ),
        (
            r#"{"items":[{"etag":"a","n":1}]}"#,
            r#"{"items":[{"etag":"b","n":2}]}"#,
            "/items/*/n value",
        ),
    ];
    for (a, b, expected) in cases {
        assert_eq!(with(&rules, a, b), expected, "{a} and {b}");
    }
}

#[test]
fn an_unordered_array_is_a_multiset() {
    let json = Json::new().unordered("/tags").unordered("/sets/*");
    let rules = rules(json.ignore("/tags/*/at").shape("/tags/*/id"));
    let cases = [
        (r#"{"tags":[1,2,3]}"#, r#"{"tags":[3.0,1,2]}"#, ""),
        (
            r#"{"tags":[1,2,2]}"#,
            r#"{"tags":[1,1,2]}"#,
            "/tags/* value",
        ),
        (r#"{"tags":[1,2]}"#, r#"{"tags":[2]}"#, "/tags length"),
        (
            r#"{"tags":[{"a":"\u0061","b":[1,2]},[]]}"#,
            r#"{"tags":[[],{"b":[1,2],"a":"a"}]}"#,
            "",
        ),
        (
            r#"{"tags":[[1,2]]}"#,
            r#"{"tags":[[2,1]]}"#,
            "/tags/* value",
        ),
        (
            r#"{"tags":[{"at":1},{"at":2,"n":0}]}"#,
            r#"{"tags":[{"n":0},{"at":9}]}"#,
            "",
        ),
        (r#"{"tags":[{"id":1}]}"#, r#"{"tags":[{"id":2}]}"#, ""),
        (
            r#"{"tags":[{"id":1}]}"#,
            r#"{"tags":[{"id":"1"}]}"#,
            "/tags/* value",
        ),
        (r#"{"sets":[[1,2],[3,4]]}"#, r#"{"sets":[[2,1],[4,3]]}"#, ""),
        (r#"{"tags":1}"#, r#"{"tags":[1]}"#, "/tags type"),
        (
            r#"{"tags":[1,true]}"#,
            r#"{"tags":["1",true]}"#,
            "/tags/* value",
        ),
    ];
    for (a, b, expected) in cases {
        assert_eq!(with(&rules, a, b), expected, "{a} and {b}");
    }
}

#[test]
fn a_tolerance_is_for_numbers() {
    let json = Json::new().tolerance("/price", 0.005);
    let rules = rules(
        json.tolerance("/exact", 0.1)
            .relative_tolerance("/load/*", 0.1),
    );
    let cases = [
        (r#"{"price":1.0}"#, r#"{"price":1.005}"#, ""),
        (r#"{"price":1.0}"#, r#"{"price":1.006}"#, "/price value"),
        (r#"{"price":"1.0"}"#, r#"{"price":"1.001"}"#, "/price value"),
        (r#"{"price":1}"#, r#"{"price":null}"#, "/price type"),
        (r#"{"load":[100,-100]}"#, r#"{"load":[91,-110]}"#, ""),
        // As 64-bit numbers, these two are a little more than a tenth apart.
        (r#"{"exact":1.0}"#, r#"{"exact":1.1}"#, ""),
        (r#"{"load":[100]}"#, r#"{"load":[89]}"#, "/load/* value"),
        // Not finite as a 64-bit number: compared exactly.
        (
            r#"{"load":[1e999]}"#,
            r#"{"load":[1.01e999]}"#,
            "/load/* value",
        ),
    ];
    for (a, b, expected) in cases {
        assert_eq!(with(&rules, a, b), expected, "{a} and {b}");
    }
}

#[test]
fn any_key_adds_its_rules_to_the_named_ones() {
    let json = Json::new()
        .ignore("/{key}/etag")
        .shape("/items/id")
        .ignore("/a~1b");
    let rules = rules(json);
    let (a, b) = (
        r#"{"items":{"etag":1,"id":1},"other":{"etag":1,"id":1},"a/b":1}"#,
        r#"{"items":{"etag":2,"id":2},"other":{"etag":2,"id":2},"a/b":2}"#,
    );
    assert_eq!(with(&rules, a, b), "/other/id value");
}

#[test]
fn an_expected_difference_is_marked_and_no_other() {
    let rules = Rules::builder()
        .expect("/items/*/imageUrl", Kind::Added)
        .expect("/{key}/old", Kind::Removed)
        .expect("/below", Kind::Value)
        .build()
        .expect("valid rules");
    let expected = |a: &str, b: &str| -> Vec<_> {
        let found = differences(&rules, &json(a), &json(b)).expect("cheap");
        found
            .iter()
            .map(|d| (d.to_string(), d.is_expected))
            .collect()
    };
    assert_eq!(
        expected(
            r#"{"items":[{"n":1}]}"#,
            r#"{"items":[{"n":2,"imageUrl":"x"}]}"#
        ),
        [
            ("/items/*/n value".into(), false),
            ("/items/*/imageUrl added".into(), true)
        ]
    );
    // Another kind, another place.
    assert_eq!(
        expected(
            r#"{"items":[{"imageUrl":"x"}]}"#,
            r#"{"items":[{"imageUrl":"y"}]}"#
        ),
        [("/items/*/imageUrl value".into(), false)]
    );
    assert_eq!(
        expected(r#"{"items":[{}]}"#, r#"{"items":[{}],"imageUrl":1}"#),
        [("/imageUrl added".into(), false)]
    );
    assert_eq!(
        expected(r#"{"x":{"old":1}}"#, r#"{"x":{}}"#),
        [("/x/old removed".into(), true)]
    );
    // The end of a path is not the path.
    assert_eq!(
        expected(r#"{"x":{"below":1}}"#, r#"{"x":{"below":2}}"#),
        [("/x/below value".into(), false)]
    );
}

#[test]
fn invalid_rules_name_the_value_and_the_rule() {
    let error = |rules: RulesBuilder| rules.build().expect_err("invalid").to_string();
    let of_json = |json| error(Rules::builder().json(json));
    let cases = [
        (
            of_json(Json::new().ignore("debug")),
            "the path \"debug\" is not valid: a JSON path begins with `/`",
        ),
        (
            of_json(Json::new().shape("/items/0/etag")),
            "the path \"/items/0/etag\" is not valid: an element of an array is written `*`, and a key that is a number `{key}`",
        ),
        (
            of_json(Json::new().unordered("/a~2")),
            "the path \"/a~2\" is not valid: `~` is written `~0`, and `/` is written `~1`",
        ),
        (
            of_json(Json::new().tolerance("/price", -0.5)),
            "the tolerance at \"/price\" must be finite and at least 0, and it is -0.5",
        ),
        (
            of_json(Json::new().relative_tolerance("/price", f64::NAN)),
            "the tolerance at \"/price\" must be finite and at least 0, and it is NaN",
        ),
        (
            error(Rules::builder().headers(["a b"])),
            "a header cannot have the name \"a b\"",
        ),
        (
            error(Rules::builder().headers(["Date"])),
            "the header \"date\" cannot be compared: it differs between two instances of the same version",
        ),
        (
            error(Rules::builder().expect(":stat", Kind::Value)),
            "the path \":stat\" is not valid: no place of an answer has this name",
        ),
        (
            error(Rules::builder().expect(":header", Kind::Value)),
            "the path \":header\" is not valid: a name is missing behind it",
        ),
        (
            error(Rules::builder().expect(":status/x", Kind::Value)),
            "the path \":status/x\" is not valid: this place has no names below it",
        ),
        (
            "sort".parse::<Kind>().expect_err("unknown").to_string(),
            "\"sort\" does not name a kind of difference; the kinds are added, removed, type, value, length, order, duplicate_key, syntax",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
    let invalid = Rules::builder().json(Json::new().ignore("x")).build();
    assert!(matches!(invalid, Err(InvalidRules::Path { path, .. }) if path == "x"));
}
