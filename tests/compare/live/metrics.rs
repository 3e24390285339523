//! What an exporter gets of a comparison.

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_mirror::{
    compare::{Accept, Compare},
    metrics::record_compare,
};

use super::rig::{App, Rig, get, json};

const V1: &str = r#"{"items": [1, 2]}"#;
const V2: &str = r#"{"items": [1, 2], "image": "x.png"}"#;

fn v1() -> App {
    App::constant(V1)
}

#[tokio::test(start_paused = true)]
async fn a_comparison_is_exported() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let accept = Accept::excess(0.05).unwrap();
    let compare = Compare::with_baseline(v1()).accept(accept);
    let rig = Rig::new(compare, v1(), App::constant(V2));
    let mut request = get("/items");
    request
        .headers_mut()
        .insert("range", "bytes=0-".parse().unwrap());
    rig.ask(request).await.unwrap();
    rig.ask_in_blocks(20, 10).await;
    let lines = || {
        metrics::with_local_recorder(&recorder, || record_compare(&rig.handle));
        recorder.handle().render()
    };
    let text = lines();
    for line in [
        r#"tower_mirror_compared_total{mirror="catalog-v2",route="GET /items",result="shadow_only"} 200"#,
        r#"tower_mirror_compared_total{mirror="catalog-v2",route="GET /items",result="equal"} 0"#,
        r#"tower_mirror_not_compared_total{mirror="catalog-v2",reason="conditional"} 1"#,
        r#"tower_mirror_verdict{mirror="catalog-v2",verdict="fail"} 1"#,
        r#"tower_mirror_verdict{mirror="catalog-v2",verdict="pass"} 0"#,
        r#"tower_mirror_compare_held_bytes{mirror="catalog-v2"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains(r#"test="above"#), "{text}");

    // A reset begins a new verdict, and no counter goes back.
    rig.handle.reset();
    rig.ask_many(5).await;
    let text = lines();
    for line in [
        r#"tower_mirror_compared_total{mirror="catalog-v2",route="GET /items",result="shadow_only"} 205"#,
        r#"tower_mirror_not_compared_total{mirror="catalog-v2",reason="conditional"} 1"#,
        r#"tower_mirror_verdict{mirror="catalog-v2",verdict="inconclusive"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_judged_and_what_has_not_occurred_are_exported_too() {
    let recorder = PrometheusBuilder::new().build_recorder();
    // The bodies differ as wholes in every pair.
    let text = |name: &'static str| {
        App::at_once(move |_| {
            let mut answer = json(name);
            let text = "text/plain".parse().unwrap();
            answer.headers_mut().insert("content-type", text);
            answer
        })
    };
    let rig = Rig::new(Compare::with_baseline(text("c")), text("a"), text("b"));
    rig.ask_many(3).await;
    rig.handle.reset();
    rig.ask_many(2).await;
    metrics::with_local_recorder(&recorder, || record_compare(&rig.handle));
    let text = recorder.handle().render();
    for line in [
        r#"tower_mirror_compared_total{mirror="catalog-v2",route="GET /items",result="both"} 5"#,
        r#"tower_mirror_not_judged_total{mirror="catalog-v2",route="GET /items"} 5"#,
        r#"tower_mirror_not_compared_total{mirror="catalog-v2",reason="busy"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
