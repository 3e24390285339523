//! `GET /split` and `PUT /split`.

use std::{fmt, sync::Arc};

use axum::{Json, Router, body::Bytes, extract::State, routing::get};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use tower_mirror::{SplitHandle, split::SubsetStats};

use super::{Refusal, bad};

pub(super) fn router(split: SplitHandle) -> Router {
    Router::new()
        .route("/split", get(stats).put(change))
        .with_state(split)
}

#[derive(Serialize)]
struct SplitView {
    name: String,
    generation: u64,
    subsets: Vec<SubsetView>,
    drained: u64,
    not_ready: u64,
    unknown_forced: u64,
}

#[derive(Serialize)]
struct SubsetView {
    name: String,
    weight: u32,
    configured: f64,
    observed: f64,
    weighted: u64,
    keyed: u64,
    forced: u64,
    fallback: u64,
    unready: u64,
}

impl From<&SubsetStats> for SubsetView {
    fn from(subset: &SubsetStats) -> Self {
        Self {
            name: subset.name.to_string(),
            weight: subset.weight,
            configured: subset.configured,
            observed: subset.observed,
            weighted: subset.weighted,
            keyed: subset.keyed,
            forced: subset.forced,
            fallback: subset.fallback,
            unready: subset.unready,
        }
    }
}

async fn stats(State(split): State<SplitHandle>) -> Json<SplitView> {
    let stats = split.stats();
    Json(SplitView {
        name: split.name().to_owned(),
        generation: stats.generation,
        subsets: stats.subsets.iter().map(SubsetView::from).collect(),
        drained: stats.drained,
        not_ready: stats.not_ready,
        unknown_forced: stats.unknown_forced,
    })
}

/// The weights in force.
#[derive(Serialize)]
struct WeightsView {
    generation: u64,
    #[serde(serialize_with = "by_name")]
    weights: Vec<(Arc<str>, u32)>,
}

fn by_name<S: Serializer>(weights: &[(Arc<str>, u32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(weights.iter().map(|(name, weight)| (&**name, weight)))
}

/// Changes all weights that are given, or, where any of it is bad, none.
async fn change(
    State(split): State<SplitHandle>,
    body: Bytes,
) -> Result<Json<WeightsView>, Refusal> {
    let Change(change) = serde_json::from_slice(&body).map_err(bad)?;
    if change.is_empty() {
        return Err(bad(r#"give weights by name, as in {"v1": 90, "v2": 10}"#));
    }
    let weights: Result<Vec<_>, _> = change.into_iter().map(weight).collect();
    split.set_weights(weights?).map_err(bad)?;
    let table = split.weights();
    Ok(Json(WeightsView {
        generation: table.generation,
        weights: table.weights,
    }))
}

fn weight((name, value): (String, Value)) -> Result<(String, u32), Refusal> {
    match value.as_u64().map(u32::try_from) {
        Some(Ok(weight)) => Ok((name, weight)),
        _ => Err(bad(format_args!(
            "{name:?}: a weight must be a whole number from 0 to {}, not {value}",
            u32::MAX
        ))),
    }
}

/// All pairs of an object: a map would keep the last of two weights that one name is given.
struct Change(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Change;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of weights by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Change, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Change(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
