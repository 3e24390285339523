//! `GET /split` and `PUT /split`, and subsets beside a mirror.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{child::Proxy, client::Client, split::split, upstream::Upstream};

impl Proxy {
    /// Generation and weights.
    async fn weights(&self) -> Value {
        let split = self.split().await;
        let subsets = split["subsets"].as_array().unwrap();
        let weights: Vec<_> = subsets.iter().map(|subset| &subset["weight"]).collect();
        json!([split["generation"], weights])
    }
}

#[tokio::test]
async fn it_says_all_of_a_split() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let options = ["--force-header", "x-version", "--sticky-header", "x-user"];
    let proxy = split([1, 0], [&v1, &v2], &options).await;
    let client = Client::http1();
    let requests = [
        (3, &[][..]),
        (2, &[("x-user", "ada")]),
        (4, &[("x-version", "v2")]),
        (1, &[("x-version", "v3")]),
    ];
    for (count, headers) in requests {
        for _ in 0..count {
            proxy.subset_of(&client, headers).await;
        }
    }
    assert_eq!(
        proxy.put("/split", r#"{"v1": 1, "v2": 3}"#).await.status,
        200
    );
    let subset = |name, weight, configured, observed, [weighted, keyed, forced]: [u64; 3]| {
        format!(
            r#"{{"name":"{name}","weight":{weight},"configured":{configured},"observed":{observed},"forced":{forced},"keyed":{keyed},"weighted":{weighted},"fallback":0,"unready":0}}"#
        )
    };
    let v1 = subset("v1", 1, "0.25", "1.0", [4, 2, 0]);
    let v2 = subset("v2", 3, "0.75", "0.0", [0, 0, 4]);
    let answer = proxy.get("/split").await;
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        format!(
            r#"{{"name":"proxy","generation":1,"subsets":[{v1},{v2}],"no_weight":0,"not_ready":0,"unknown_forced":1,"policy_panics":0}}"#
        )
    );
}

#[tokio::test]
async fn weights_can_be_changed() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = split([1, 0], [&v1, &v2], &[]).await;
    let client = Client::http1();
    for (change, now, shares) in [
        (
            r#"{"v2": 1, "v1": 0}"#,
            r#"{"generation":1,"weights":{"v1":0,"v2":1}}"#,
            [0, 20],
        ),
        // A name left out keeps its weight.
        (
            r#"{"v1": 1}"#,
            r#"{"generation":2,"weights":{"v1":1,"v2":1}}"#,
            [10, 10],
        ),
        (
            r#"{"v2": 0}"#,
            r#"{"generation":3,"weights":{"v1":1,"v2":0}}"#,
            [20, 0],
        ),
        (
            r#"{"v1": 4294967295, "v2": 4294967295}"#,
            r#"{"generation":4,"weights":{"v1":4294967295,"v2":4294967295}}"#,
            [10, 10],
        ),
    ] {
        let answer = proxy.put("/split", change).await;
        assert_eq!(answer.status, 200, "{change}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.body, now, "{change}");
        // With the very next request.
        let mut counts = [0_i32, 0];
        for _ in 0..20 {
            let subset = proxy.subset_of(&client, &[]).await;
            counts[usize::from(subset == "v2")] += 1;
        }
        let most = if shares.contains(&0) { 0 } else { 2 };
        assert!(
            (counts[0] - shares[0]).abs() <= most,
            "{change}: {counts:?}"
        );
        assert_eq!(counts.iter().sum::<i32>(), 20);
    }

    let answer = proxy.put("/split", r#"{"v1": 0, "v2": 0}"#).await;
    assert_eq!(answer.body, r#"{"generation":5,"weights":{"v1":0,"v2":0}}"#);
    assert_eq!(client.get(&proxy.url("/")).await.status, 503);
    assert_eq!(proxy.put("/split", r#"{"v1": 1}"#).await.status, 200);
    assert_eq!(proxy.subset_of(&client, &[]).await, "v1");
}

#[tokio::test]
async fn a_bad_change_changes_nothing() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = split([90, 10], [&v1, &v2], &[]).await;
    let whole = "whole number from 0 to 4294967295";
    for (change, reason) in [
        (r#"{"v3": 1}"#, r#"no subset is named "v3""#),
        (r#"{"v1": 1, "v3": 1}"#, r#"no subset is named "v3""#),
        (r#"{"v1": 1, "V2": 1}"#, r#"no subset is named "V2""#),
        (r#"{"v1": -1}"#, whole),
        (r#"{"v1": 1, "v2": -1}"#, r#""v2""#),
        (r#"{"v1": 0.5}"#, whole),
        (r#"{"v1": 50.0}"#, whole),
        (r#"{"v1": 4294967296}"#, whole),
        (r#"{"v1": 18446744073709551616}"#, whole),
        (r#"{"v1": 1e999}"#, "out of range"),
        (r#"{"v1": "50"}"#, whole),
        (r#"{"v1": null, "v2": 1}"#, whole),
        (r#"{"v1": true}"#, whole),
        (r#"{"v1": [50]}"#, whole),
        (r#"{"v1": 1, "v1": 2}"#, "two weights"),
        (r#"{"v1": 1"#, "EOF"),
        (r#"{"v1": 1} {}"#, "trailing"),
        ("{v1: 1}", "key"),
        ("{}", r#"{"v1": 90, "v2": 10}"#),
        ("[]", "object"),
        (r#"[["v1", 1]]"#, "object"),
        ("50", "object"),
        ("null", "object"),
        ("", "EOF"),
    ] {
        let answer = proxy.put("/split", change).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 400, "{change}: {text}");
        assert!(text.contains(reason), "{change}: {text}");
        assert_eq!(text.lines().count(), 1, "{change}: {text}");
        assert_eq!(proxy.weights().await, json!([0, [90, 10]]), "{change}");
    }
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let split_alone = split([1, 1], [&v1, &v2], &[]).await;
    let mirror_alone = Proxy::start(&["--primary", &v1.url(), "--shadow", &v2.url()]).await;
    for (proxy, get, put, reason) in [
        (&split_alone, "/stats", "/mirror", "--shadow"),
        (&mirror_alone, "/split", "/split", "--subset"),
    ] {
        let change = r#"{"v1": 0, "paused": true}"#;
        for answer in [proxy.get(get).await, proxy.put(put, change).await] {
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status, 404, "{get} {put}");
            assert!(text.contains(reason), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    assert_eq!(split_alone.weights().await, json!([0, [1, 1]]));
    mirror_alone.stats().await;
}

#[tokio::test]
async fn whichever_subset_answers_is_mirrored() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let mut shadow = Upstream::echo().await;
    let shadow_url = shadow.url();
    let options = ["--shadow", &shadow_url, "--sticky-header", "x-user"];
    let mut proxy = split([1, 1], [&v1, &v2], &options).await;
    let client = Client::http1();
    let mut counts = [0, 0];
    for user in 0..20 {
        let user = format!("u{user}");
        let subset = proxy.subset_of(&client, &[("x-user", &user)]).await;
        counts[usize::from(subset == "v2")] += 1;
        let copy = shadow.seen().await;
        assert_eq!(copy.headers["x-user"], user);
        assert_eq!(copy.body, "hello");
        assert_eq!(copy.headers["x-mirrored-by"], "mirror");
    }
    assert_eq!([v1.unread(), v2.unread()], counts);
    assert!(counts.iter().all(|n| *n > 0), "{counts:?}");

    // Each is steered by itself.
    assert_eq!(
        proxy.put("/split", r#"{"v1": 0, "v2": 0}"#).await.status,
        200
    );
    assert_eq!(client.get(&proxy.url("/a")).await.status, 503);
    assert_eq!(shadow.seen().await.uri, "/a");
    assert_eq!(proxy.put_mirror(r#"{"paused": true}"#).await.status, 200);
    assert_eq!(proxy.put("/split", r#"{"v2": 1}"#).await.status, 200);
    assert_eq!(proxy.subset_of(&client, &[]).await, "v2");
    let stats = proxy.settled().await;
    assert_eq!(stats.outcome("completed"), 21);
    assert_eq!(stats.outcome("paused"), 1);

    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    let (v1, v2) = (counts[0], counts[1] + 1);
    assert_eq!(
        proxy.says("served ").await,
        format!(
            "22 requests: v1 {v1}, v2 {v2}; mirrored 21, paused 1, completed 21; 0 copies aborted by the drain"
        )
    );
    assert_eq!(proxy.exit_code().await, Some(0));
}
