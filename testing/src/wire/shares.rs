//! Cases about shares. Each sends 500 requests, ten at a time, and permits |count - np| of at most
//! three standard deviations, as the tests of Gateway API do. A proxy that draws at random fails
//! one case in 370 by chance; there is no second attempt.

use futures_util::future::try_join_all;

use super::{
    bench::{Bench, from_primary},
    case::Checked,
    client::{Client, request},
};

cases! {
    ($) share_cases;

    istio_08_percent_absent(All): "Istio, mirror_test: no percentage is 100 %",
    istio_08_percent_0(None): "Istio, mirror_test: 0 % is none",
    istio_08_percent_10(Tenth): "Istio, mirror_test: 10 %",
    gateway_05_percent_20(Fifth): "Gateway API, HTTPRouteRequestPercentageMirror: percent 20",
    gateway_06_fraction_25_of_50(Half): "Gateway API, HTTPRouteRequestPercentageMirror: fraction 25/50; Istio: 50 %",
    gateway_07_percent_35(Third): "Gateway API, HTTPRouteRequestPercentageMirror: percent 35",
}

async fn share(bench: &Bench, share: f64) -> Checked {
    let all = bench.path();
    let at_a_time = (0..10).map(async |lane| -> Checked {
        let mut client = Client::connect(bench.proxy).await?;
        for turn in 0..50 {
            let line = format!("GET {all}?{lane}-{turn}.");
            from_primary(&client.exchanges(&request(&line, "", b"")).await?)?;
        }
        Ok(())
    });
    try_join_all(at_a_time).await?;
    if share == 1.0 {
        // This waits for the last copy. The check below shows whether there are more copies.
        for lane in 0..10 {
            for turn in 0..50 {
                bench.shadow.gets(&format!("{all}?{lane}-{turn}.")).await?;
            }
        }
    }
    bench.settle().await?;
    let copies = bench.shadow.seen(&all).len() as f64;
    let expected = 500.0 * share;
    let most = 3.0 * (expected * (1.0 - share)).sqrt();
    ensure!(
        (copies - expected).abs() <= most,
        "{copies} copies, not {expected} ± {most:.1}"
    );
    same!(
        bench.primary.seen(&all).len(),
        500,
        "requests to the primary"
    );
    Ok(())
}

async fn istio_08_percent_absent(bench: &Bench) -> Checked {
    share(bench, 1.0).await
}

async fn istio_08_percent_0(bench: &Bench) -> Checked {
    share(bench, 0.0).await
}

async fn istio_08_percent_10(bench: &Bench) -> Checked {
    share(bench, 0.1).await
}

async fn gateway_05_percent_20(bench: &Bench) -> Checked {
    share(bench, 0.2).await
}

async fn gateway_06_fraction_25_of_50(bench: &Bench) -> Checked {
    share(bench, 0.5).await
}

async fn gateway_07_percent_35(bench: &Bench) -> Checked {
    share(bench, 0.35).await
}
