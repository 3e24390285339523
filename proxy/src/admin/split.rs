//! `GET /split` and `PUT /split`.

use std::fmt;

use axum::{Json, Router, body::Bytes, extract::State, routing::get};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use tower_mirror::{
    SplitHandle,
    split::{SplitStats, WeightTable},
};

use super::{Refusal, bad};

pub(super) fn router(split: SplitHandle) -> Router {
    Router::new()
        .route("/split", get(stats).put(change))
        .with_state(split)
}

async fn stats(State(split): State<SplitHandle>) -> Json<SplitStats> {
    Json(split.stats())
}

/// Changes all given weights, or none if one of them is invalid.
async fn change(
    State(split): State<SplitHandle>,
    body: Bytes,
) -> Result<Json<WeightTable>, Refusal> {
    let Change(change) = serde_json::from_slice(&body).map_err(bad)?;
    if change.is_empty() {
        return Err(bad(r#"give weights by name, as in {"v1": 90, "v2": 10}"#));
    }
    let weights: Result<Vec<_>, _> = change.into_iter().map(weight).collect();
    split.set_weights(weights?).map_err(bad)?;
    Ok(Json(split.weights()))
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

/// All pairs of an object. A map would keep only the last weight of a name that occurs twice.
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
