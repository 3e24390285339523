//! `GET /metrics`, and the dashboard and the alerts that use these metrics.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    child::Proxy,
    client::Client,
    promql::{Exported, check},
    split::split,
    upstream::Upstream,
    within,
};

impl Proxy {
    async fn metrics(&self) -> Exported {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200);
        let kind = answer.headers["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        Exported::read(&String::from_utf8_lossy(&answer.body))
    }

    /// Waits until nothing is left to compare.
    async fn has_compared(&self) {
        within("the requests under way", async {
            loop {
                let verdict = self.get("/verdict").await;
                let verdict: Value = serde_json::from_slice(&verdict.body).unwrap();
                if verdict["open"] == 0 {
                    return;
                }
            }
        })
        .await;
    }
}

/// The dashboard's or the alerts' text.
fn file(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards");
    fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

/// A mirror, a split and a comparison that have served ten requests.
async fn after_some_traffic() -> Exported {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let shadow = Upstream::echo().await;
    let shadow_url = shadow.url();
    let compare = ["--compare", "--compare-methods", "POST", "--warm-up", "0"];
    let args = [&["--shadow", &shadow_url][..], &compare].concat();
    let proxy = split([3, 1], [&v1, &v2], &args).await;
    let client = Client::http1();
    for _ in 0..10 {
        proxy.subset_of(&client, &[]).await;
    }
    proxy.settled().await;
    proxy.has_compared().await;
    proxy.metrics().await
}

#[tokio::test]
async fn it_is_what_the_counters_say() {
    let metrics = after_some_traffic().await;
    for (series, expected) in [
        (
            r#"requests_total{mirror="mirror",outcome="completed"}"#,
            10.0,
        ),
        (
            r#"requests_total{mirror="mirror",outcome="failed_connect"}"#,
            0.0,
        ),
        (r#"primary_latency_seconds_count{mirror="mirror"}"#, 10.0),
        (r#"shadow_latency_seconds_count{mirror="mirror"}"#, 10.0),
        (r#"response_bytes_sum{mirror="mirror"}"#, 50.0),
        (r#"in_flight{mirror="mirror"}"#, 0.0),
        (
            r#"compared_total{mirror="mirror",route="POST *",result="equal"}"#,
            10.0,
        ),
        (r#"not_compared_total{mirror="mirror",reason="busy"}"#, 0.0),
        (r#"not_judged_total{mirror="mirror",route="POST *"}"#, 0.0),
        (r#"verdict{mirror="mirror",verdict="inconclusive"}"#, 1.0),
        (r#"split_weight{split="proxy",subset="v1"}"#, 3.0),
    ] {
        assert_eq!(
            metrics.value(&format!("tower_mirror_{series}")),
            Some(expected),
            "{series}"
        );
    }
}

#[tokio::test]
async fn what_there_is_not_is_not_exported() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let split_alone = split([1, 1], [&v1, &v2], &[]).await.metrics().await;
    let proxy = Proxy::start(&["--primary", &v1.url(), "--shadow", &v2.url()]).await;
    let mirror_alone = proxy.metrics().await;
    for (metrics, is_mirror) in [(split_alone, false), (mirror_alone, true)] {
        let series = r#"tower_mirror_paused{mirror="mirror"}"#;
        assert_eq!(metrics.value(series).is_some(), is_mirror);
        let series = r#"tower_mirror_verdict{mirror="mirror",verdict="pass"}"#;
        assert_eq!(metrics.value(series), None);
        let series = r#"tower_mirror_split_generation{split="proxy"}"#;
        assert_eq!(metrics.value(series).is_some(), !is_mirror);
    }
}

#[tokio::test]
async fn the_dashboard_shows_what_is_exported() {
    let metrics = after_some_traffic().await;
    let dashboard: Value = serde_json::from_str(&file("grafana.json")).unwrap();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            // As Grafana fills them in where everything is chosen.
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "1m");
            let query = query.replace("$mirror", ".*").replace("$split", ".*");
            let labels = check(&query, &metrics);
            for used in between(target["legendFormat"].as_str().unwrap(), "{{", "}}") {
                assert!(labels.contains(&used), "{used} in the legend of {query}");
            }
            queries += 1;
        }
    }
    assert!(queries > 20, "{queries}");

    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queries = variables
        .iter()
        .filter(|variable| variable["type"] == "query");
    let mut names = Vec::new();
    for variable in queries {
        let query = variable["query"].as_str().unwrap();
        let arguments = between(query, "label_values(", ")").remove(0);
        let (metric, label) = arguments.split_once(", ").unwrap();
        assert!(metrics.labels(metric).contains(label), "{query}");
        names.push(variable["name"].as_str().unwrap());
    }
    assert_eq!(names, ["mirror", "split"]);
}

#[tokio::test]
async fn the_alerts_are_of_what_is_exported() {
    let metrics = after_some_traffic().await;
    let alerts = YamlLoader::load_from_str(&file("alerts.yaml")).unwrap();
    let mut found = BTreeMap::new();
    for rule in alerts[0]["groups"][0]["rules"].as_vec().unwrap() {
        let text = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
        let labels = check(&text(&rule["expr"]), &metrics);
        for (_, note) in rule["annotations"].as_hash().unwrap() {
            for used in between(&text(note), "{{ $labels.", " }}") {
                assert!(labels.contains(&used), "{used} in {note:?}");
            }
        }
        found.insert(text(&rule["alert"]), text(&rule["labels"]["severity"]));
    }
    assert_eq!(found.len(), 11, "{found:?}");
}

/// Each text between this opening and this closing text.
fn between(text: &str, open: &str, close: &str) -> Vec<String> {
    let parts = text.split(open).skip(1);
    parts
        .map(|part| part.split_once(close).unwrap().0.to_owned())
        .collect()
}
