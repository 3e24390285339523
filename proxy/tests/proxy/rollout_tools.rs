//! The rules for Argo Rollouts and Flagger in `deploy/`, applied to real answers.

use std::{collections::BTreeSet, fs};

use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    client::Answer,
    compare::{Compared, ITEMS, WITH_IMAGES, app},
};

fn documents(name: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&text(&format!("proxy/deploy/{name}"))).unwrap()
}

/// A file of the repository.
fn text(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    fs::read_to_string(format!("{root}/{path}")).unwrap()
}

impl Compared {
    /// What a tool gets from this URL, whose host is that of the cluster.
    async fn tool(&self, method: Method, url: &str, body: &'static str) -> Answer {
        let path = url
            .strip_prefix("http://catalog-mirror-admin:8081")
            .unwrap();
        let url = format!("http://{}{path}", self.proxy.admin());
        let request = Request::builder().method(method).uri(url);
        let request = request.header("content-type", "application/json");
        let body = Full::new(body.into());
        self.client.send(request.body(body).unwrap()).await
    }
}

/// One of v1, v2 and undecided, with the verdict that the requests lead to.
async fn decided(v2: &'static str, verdict: &str) -> Compared {
    let compared = Compared::with(app(move |_| (200, v2)).await, &[]).await;
    if verdict != "inconclusive" {
        compared.ask_until(verdict).await;
    }
    compared
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Successful,
    Failed,
    Inconclusive,
    Error,
    Running,
}

/// A metric of an `AnalysisTemplate`, with the rules of Argo Rollouts: `docs/features/analysis.md`, `docs/analysis/web.md`, and the
/// function `assessMetricStatus` of its `analysis/analysis.go`.
struct Metric(Yaml);

impl Metric {
    fn of_template(name: &str) -> Self {
        let documents = documents("argo-rollouts.yaml");
        let mut templates = documents.iter().filter(|document| {
            document["kind"].as_str() == Some("AnalysisTemplate")
                && document["metadata"]["name"].as_str() == Some(name)
        });
        let metrics = &templates.next().unwrap()["spec"]["metrics"];
        assert_eq!(metrics.as_vec().unwrap().len(), 1);
        Self(metrics[0].clone())
    }

    fn limit(&self, name: &str) -> Option<i64> {
        self.0[name].as_i64()
    }

    /// What Argo makes of one answer. Any status that is not 2xx is an error.
    async fn measure(&self, compared: &Compared) -> Phase {
        let web = &self.0["provider"]["web"];
        let method = web["method"].as_str().unwrap_or("GET").parse().unwrap();
        let answer = compared
            .tool(method, web["url"].as_str().unwrap(), "")
            .await;
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
            return Phase::Error;
        };
        if !answer.status.is_success() {
            return Phase::Error;
        }
        let path = web["jsonPath"].as_str().unwrap();
        let field = path
            .strip_prefix("{$.")
            .and_then(|path| path.strip_suffix('}'));
        let result = &body[field.unwrap()];
        assert!(!result.is_null(), "{path}: {body}");
        let holds = |condition: &str| holds(self.0[condition].as_str().unwrap(), result);
        match (holds("failureCondition"), holds("successCondition")) {
            (true, _) => Phase::Failed,
            (false, true) => Phase::Successful,
            (false, false) => Phase::Inconclusive,
        }
    }

    /// The phase of the metric after these measurements.
    fn assess(&self, measured: &[Phase]) -> Phase {
        let count = |phase| measured.iter().filter(|found| **found == phase).count() as i64;
        let at_end = measured.iter().rev();
        let successes = at_end
            .take_while(|phase| **phase == Phase::Successful)
            .count() as i64;
        let enough = self.limit("consecutiveSuccessLimit");
        if count(Phase::Failed) > self.limit("failureLimit").unwrap_or(0) {
            Phase::Failed
        } else if count(Phase::Inconclusive) > self.limit("inconclusiveLimit").unwrap_or(0) {
            Phase::Inconclusive
        } else if enough.is_some_and(|enough| successes >= enough)
            || measured.len() as i64 >= self.limit("count").unwrap_or(1)
        {
            Phase::Successful
        } else {
            Phase::Running
        }
    }
}

/// The few expressions that the templates use.
fn holds(condition: &str, result: &Value) -> bool {
    let parts: Vec<_> = condition.split(' ').collect();
    let [left, operator, right] = parts[..] else {
        panic!("not known: {condition}");
    };
    match (left, operator) {
        ("result", "==") => result.as_str().unwrap() == right.trim_matches('"'),
        ("asInt(result)", "==") => result.as_i64().unwrap() == right.parse::<i64>().unwrap(),
        ("asInt(result)", ">") => result.as_i64().unwrap() > right.parse::<i64>().unwrap(),
        _ => panic!("not known: {condition}"),
    }
}

#[tokio::test]
async fn argo_promotes_a_right_v2_aborts_a_wrong_one_and_pauses_where_nothing_is_known() {
    let metric = Metric::of_template("v2-is-right");
    let undecided = decided(ITEMS, "inconclusive").await;
    let waiting = metric.measure(&undecided).await;
    assert_eq!(waiting, Phase::Inconclusive);
    let right = metric.measure(&decided(ITEMS, "pass").await).await;
    let wrong = metric.measure(&decided(WITH_IMAGES, "fail").await).await;
    assert_eq!((right, wrong), (Phase::Successful, Phase::Failed));

    let count = usize::try_from(metric.limit("count").unwrap()).unwrap();
    let waits = |times: usize, then: &[Phase]| [&vec![waiting; times][..], then].concat();
    for (measured, expected) in [
        (waits(1, &[]), Phase::Running),
        (waits(0, &[right]), Phase::Successful),
        (waits(count - 1, &[right]), Phase::Successful),
        (waits(0, &[wrong]), Phase::Failed),
        (waits(count - 1, &[wrong]), Phase::Failed),
        (waits(count - 1, &[]), Phase::Running),
        // Never successful without a PASS.
        (waits(count, &[]), Phase::Inconclusive),
    ] {
        assert_eq!(metric.assess(&measured), expected, "{}", measured.len());
    }
}

#[tokio::test]
async fn argo_begins_a_new_comparison_for_each_v2() {
    let compared = decided(WITH_IMAGES, "fail").await;
    let begin = Metric::of_template("comparison-begins");
    let measured = begin.measure(&compared).await;
    assert_eq!(begin.assess(&[measured]), Phase::Successful);
    let verdict = Metric::of_template("v2-is-right");
    assert_eq!(verdict.measure(&compared).await, Phase::Inconclusive);

    // The steps name the templates, the new comparison first and the weight last.
    let documents = documents("argo-rollouts.yaml");
    let rollout = documents.last().unwrap();
    let steps = rollout["spec"]["strategy"]["canary"]["steps"]
        .as_vec()
        .unwrap();
    let named = steps.iter().filter_map(|step| {
        let weight = step["setWeight"].as_i64().map(|_| "weight");
        step["analysis"]["templates"][0]["templateName"]
            .as_str()
            .or(weight)
    });
    let named: Vec<_> = named.collect();
    assert_eq!(
        named,
        ["comparison-begins", "v2-is-right", "weight", "weight"]
    );
}

/// Flagger POSTs the state of the canary, and takes 200 to 202 as consent (`docs/gitbook/usage/webhooks.md`).
#[tokio::test]
async fn flagger_advances_only_a_right_v2_and_rolls_back_a_wrong_one() {
    let documents = documents("flagger.yaml");
    let hooks = documents[0]["spec"]["analysis"]["webhooks"]
        .as_vec()
        .unwrap();
    let mut types = BTreeSet::new();
    for (v2, verdict) in [
        (ITEMS, "inconclusive"),
        (ITEMS, "pass"),
        (WITH_IMAGES, "fail"),
    ] {
        let compared = decided(v2, verdict).await;
        // The one that begins again comes first, and so it is called last here.
        for hook in hooks.iter().rev() {
            let (kind, url) = (
                hook["type"].as_str().unwrap(),
                hook["url"].as_str().unwrap(),
            );
            let state =
                r#"{"name":"catalog","namespace":"test","phase":"Progressing","metadata":{}}"#;
            let answer = compared.tool(Method::POST, url, state).await;
            let consents = (200..=202).contains(&answer.status.as_u16());
            let expected = match kind {
                "confirm-rollout" => true,
                "confirm-traffic-increase" | "confirm-promotion" => verdict == "pass",
                "rollback" => verdict == "fail",
                _ => panic!("{kind}"),
            };
            assert_eq!(consents, expected, "{verdict}: {kind}");
            // Flagger shows the body of a refusal.
            assert!(!answer.body.is_empty());
            types.insert(kind);
        }
        assert_eq!(compared.verdict().await["compared"], 0);
    }
    let expected = [
        "confirm-promotion",
        "confirm-rollout",
        "confirm-traffic-increase",
        "rollback",
    ];
    assert!(types.into_iter().eq(expected));
}

#[test]
fn the_guide_shows_these_rules() {
    let guide = text("docs/guide/rollout-tools.md");
    for name in ["argo-rollouts.yaml", "flagger.yaml"] {
        let rules = text(&format!("proxy/deploy/{name}"));
        for document in rules.split("---\n") {
            let lines = document.lines().skip_while(|line| line.starts_with('#'));
            let document: Vec<_> = lines.collect();
            assert!(
                guide.contains(&document.join("\n")),
                "{name}: {document:#?}"
            );
        }
    }
}
