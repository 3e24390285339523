//! Is v2 right? The answers of v1 and v2 side by side.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use tower_mirror::{
    HttpTarget, MirrorLayer,
    compare::{Accept, Compare, CompareLayer, CompareReport, Kind, Rules, Verdict},
};

use crate::{
    Result,
    catalog::{Catalog, Version},
    webapp,
};

/// After so many requests without a verdict, the comparison ends. Without a difference, PASS needs 3644 requests.
const MOST: usize = 6000;
/// Requests before each look at the verdict: fewer than may wait for the comparing thread.
const TURN: usize = 60;

/// Compares v1 with a new v2, first with the default rules, and then with the rule that v2 adds an `imageUrl`.
pub(crate) async fn reports(v1: &str) -> Result<(CompareReport, CompareReport)> {
    let v2 = Catalog::start(Version::V2, 0, |_| ())?;
    let wanted = Rules::builder().expect("/imageUrl", Kind::Added).build()?;
    let unexpected = report(v1, &v2.url(), Rules::default()).await?;
    let expected = report(v1, &v2.url(), wanted).await?;
    Ok((unexpected, expected))
}

/// v1 answers the same in each request, so there is no noise, and a baseline would teach nothing. A service that
/// writes times or identifiers needs one: the example `compare` has it.
fn layer(v2: &str, rules: Rules) -> Result<CompareLayer> {
    let mirror = MirrorLayer::builder(HttpTarget::new(v2)?)
        .name("catalog-v2")
        .route_label(|head| Some(head.uri.path().to_owned()));
    let compare = Compare::alone()
        .rules(rules)
        .accept(Accept::default()) // an excess of 0.1 %, with 95 % confidence
        .warm_up(0) // v2 has no cache to fill
        .duty(1.0); // the comparing thread may use one core
    Ok(compare.layer(mirror)?)
}

async fn report(v1: &str, v2: &str, rules: Rules) -> Result<CompareReport> {
    let compare = layer(v2, rules)?;
    let app = compare.layer(webapp::app(HttpTarget::new(v1)?));
    for sent in 1..=MOST {
        let request = Request::get("/items").body(Body::empty())?;
        let answer = app.clone().oneshot(request).await?;
        answer.into_body().collect().await?;
        if sent % TURN == 0 {
            compare.handle().wait_idle().await;
            if is_decided(&compare.handle().verdict()) {
                break;
            }
        }
    }
    Ok(compare.handle().report())
}

fn is_decided(verdict: &Verdict) -> bool {
    verdict.is_fail() || verdict.is_pass()
}
