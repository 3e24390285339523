//! `GET /stats` and `PUT /mirror`.

use tower_mirror::Outcome;

use crate::{child::Proxy, client::Client, upstream::Upstream};

#[tokio::test]
async fn stats_add_up() {
    let primary = Upstream::echo().await;
    let shadow = Upstream::echo().await;
    let (primary, shadow) = (primary.url(), shadow.url());
    let proxy = Proxy::start(&[
        "--primary",
        &primary,
        "--shadow",
        &shadow,
        "--percent",
        "25",
    ])
    .await;
    let client = Client::http1();
    for sent in 1..=100 {
        client.post(&proxy.url("/"), "hello").await;
        // The helper compares the sum; requests are counted as they come.
        assert_eq!(proxy.stats().await.number("requests"), sent);
    }
    let stats = proxy.settled().await;
    assert_eq!(
        stats.fields(),
        [
            "admitted",
            "buffered_bytes",
            "in_flight",
            "observer_panics",
            "outcomes",
            "requests",
            "statuses"
        ]
    );
    let mut names: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        stats.outcomes().map(|(name, _)| name).collect::<Vec<_>>(),
        names
    );
    let completed = stats.outcome("completed");
    assert!((22..=28).contains(&completed), "{completed}");
    assert_eq!(stats.outcome("not_sampled"), 100 - completed);
}

#[tokio::test]
async fn the_mirror_can_be_steered() {
    let primary = Upstream::echo().await;
    let shadow = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    let client = Client::http1();
    let next_outcome = async || {
        let before = proxy.settled().await;
        assert_eq!(client.get(&proxy.url("/")).await.status, 200);
        let after = proxy.settled().await;
        let mut bumped = after
            .outcomes()
            .filter(|&(name, count)| count > before.outcome(name));
        let (name, _) = bumped.next().unwrap();
        name.to_owned()
    };
    assert_eq!(next_outcome().await, "completed");
    for (change, now, outcome) in [
        (
            r#"{"percent": 0}"#,
            r#"{"percent":0.0,"paused":false}"#,
            "not_sampled",
        ),
        (
            r#"{"paused": true}"#,
            r#"{"percent":0.0,"paused":true}"#,
            "paused",
        ),
        (
            r#"{"percent": 100}"#,
            r#"{"percent":100.0,"paused":true}"#,
            "paused",
        ),
        (
            r#"{"paused": false}"#,
            r#"{"percent":100.0,"paused":false}"#,
            "completed",
        ),
        (
            r#"{"percent": 0.0, "paused": true}"#,
            r#"{"percent":0.0,"paused":true}"#,
            "paused",
        ),
        (
            r#"{"paused": false, "percent": 12.5}"#,
            r#"{"percent":12.5,"paused":false}"#,
            "",
        ),
    ] {
        let answer = proxy.put_mirror(change).await;
        assert_eq!(answer.status, 200, "{change}");
        assert_eq!(answer.body, now, "{change}");
        let next = next_outcome().await;
        assert!(outcome.is_empty() || next == outcome, "{change}: {next}");
    }
}

#[tokio::test]
async fn a_bad_change_changes_nothing() {
    let primary = Upstream::echo().await;
    let shadow = Upstream::echo().await;
    let (primary, shadow) = (primary.url(), shadow.url());
    let proxy = Proxy::start(&["--primary", &primary, "--shadow", &shadow, "--percent", "0"]).await;
    let client = Client::http1();
    let changes = [
        (r#"{"percent": 101}"#, "from 0 to 100"),
        (r#"{"percent": -1}"#, "from 0 to 100"),
        (r#"{"percent": 1e-9}"#, "millionth"),
        (r#"{"percent": 1e999}"#, "out of range"),
        (r#"{"percent": "50"}"#, "string"),
        (r#"{"percent": null}"#, "null"),
        (r#"{"paused": 1}"#, "boolean"),
        (r#"{"paused": null, "percent": 50}"#, "null"),
        (r#"{"percent": 50, "paused": "no"}"#, "string"),
        (r#"{"percent": 500, "paused": true}"#, "from 0 to 100"),
        (r#"{"percent": 50, "speed": 1}"#, "speed"),
        (r#"{"percent": 50, "percent": 60}"#, "duplicate"),
        (r#"{"percent": 50"#, "EOF"),
        (r#"{"percent": 50} {}"#, "trailing"),
        ("{}", "percent"),
        ("[]", ""),
        ("50", "50"),
        ("", "EOF"),
    ];
    for (sent, (change, reason)) in (1..).zip(changes) {
        let answer = proxy.put_mirror(change).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 400, "{change}: {text}");
        assert!(text.contains(reason), "{change}: {text}");
        assert_eq!(text.lines().count(), 1, "{change}: {text}");
        // Neither 50 % nor paused.
        client.get(&proxy.url("/")).await;
        assert_eq!(
            proxy.settled().await.outcome("not_sampled"),
            sent,
            "{change}"
        );
    }
}
