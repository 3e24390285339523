//! No value of an answer is in any text that the comparison writes, and no key that is rare.

use bytes::Bytes;
use http::Response;
use tower_mirror::compare::{Answer, Comparer, NotCompared, Rules, differences};

/// It is in values, queries, cookies, header values and rare keys.
const CANARY: &str = "canary";

fn answer(number: usize) -> Answer {
    let secret = format!("{CANARY}{number}x");
    let body = format!(
        "{{\"value\":\"{secret}\",\"{secret}\":1,\"list\":[\"{secret}\"],\"a {secret}\":{{\"b\":\"{secret}\"}}}}"
    );
    let answer = Response::builder()
        .status(302)
        .header(
            "content-type",
            format!("application/json; charset={secret}"),
        )
        .header("location", format!("/{secret}?q={secret}"))
        .header(
            "set-cookie",
            format!("{secret}={secret}; Path=/{secret}; {secret}"),
        )
        .header("set-cookie", format!("session={secret}; Domain={secret}"))
        .header("x-secret", &secret);
    Answer::from(answer.body(Bytes::from(body)).expect("a head"))
}

#[test]
fn nothing_that_is_shown_has_a_value() {
    let rules = Rules::builder()
        .headers(["x-secret"])
        .build()
        .expect("valid rules");
    let mut comparer = Comparer::new(rules);
    let mut shown = String::new();
    for request in 0..10 {
        // Each request has values, keys and cookies of its own.
        let answers = [0, 1, 2].map(|side| answer(10 * request + side));
        let compared = comparer
            .compare(&answers[0], &answers[1], Some(&answers[2]))
            .expect("cheap");
        let lists = [
            &compared.shadow_only,
            &compared.baseline_only,
            &compared.both,
        ];
        for (path, kind) in lists.into_iter().flatten() {
            shown += &format!("{} {kind} {path:?}\n", comparer.path(*path));
        }
        shown += &format!("{answers:?} {compared:?} {comparer:?}\n");
    }
    assert!(!shown.contains(CANARY), "{shown}");
    // The frequent names are there.
    for name in [
        "/value value",
        "/list/* value",
        ":set-cookie/session/Domain value",
        ":header/x-secret value",
        ":header/location value",
    ] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
}

#[test]
fn the_comparison_of_one_pair_has_keys_and_no_values() {
    let secret = |number: usize| {
        let body = format!(
            "{{\"key\":\"{CANARY}{number}\",\"{number}{number}{number}{number}{number}\":1}}"
        );
        super::json(body)
    };
    let found = differences(&Rules::default(), &secret(1), &secret(2)).expect("cheap");
    let shown = format!("{found:?} {}", found[0]);
    assert!(
        !shown.contains(CANARY) && !shown.contains("11111"),
        "{shown}"
    );
}

#[test]
fn reasons_have_no_data() {
    for reason in [
        NotCompared::Conditional,
        NotCompared::PrimaryRefused,
        NotCompared::TooCostly,
    ] {
        assert!(
            !reason.to_string().is_empty() && !reason.as_str().contains(' '),
            "{reason:?}"
        );
    }
}
