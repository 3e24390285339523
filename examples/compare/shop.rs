//! The shop. Each answer contains an identifier and a time, so no two answers are equal, not even those of one version.

use std::{
    collections::HashMap,
    future::IntoFuture,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Items of one page.
pub(crate) const PAGE: u64 = 10;
/// The items of the shop are numbered from 1.
pub(crate) const ITEMS: u64 = 6000;
/// v2 drops a field in one of so many items.
pub(crate) const BROKEN_EVERY: u64 = 200;

/// What makes a v2 of a shop: it drops the stock of some items.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<AtomicBool>);

impl Fault {
    pub(crate) fn new() -> Self {
        let fault = Self::default();
        fault.0.store(true, Relaxed);
        fault
    }

    pub(crate) fn repair(&self) {
        self.0.store(false, Relaxed);
    }

    fn drops_stock_of(&self, id: u64) -> bool {
        self.0.load(Relaxed) && id % BROKEN_EVERY == 0
    }
}

/// The shop, with this fault. v1 is a shop without a fault.
pub(crate) fn shop(fault: Fault) -> Router {
    Router::new()
        .route("/items", get(page))
        .route("/items/{id}", get(item))
        .with_state(fault)
}

/// Serves a shop on a port that the system chooses, until the program ends. Returns its URL.
pub(crate) async fn serve(shop: Router) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, shop).into_future());
    Ok(format!("http://{address}"))
}

/// `GET /items?page=7&expand=stock`; the stock is in the answer only if a client asks for it.
async fn page(
    State(fault): State<Fault>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let number = query.get("page").and_then(|page| page.parse().ok());
    let first = PAGE * number.unwrap_or(0) % ITEMS + 1;
    let with_stock = query.get("expand").is_some_and(|expand| expand == "stock");
    let items = (first..first + PAGE).map(|id| match with_stock && !fault.drops_stock_of(id) {
        true => json!({ "id": id, "name": format!("Glasses no. {id}"), "stock": id % 7 }),
        false => json!({ "id": id, "name": format!("Glasses no. {id}") }),
    });
    answer("items", items.collect())
}

async fn item(Path(id): Path<u64>) -> Json<Value> {
    answer(
        "item",
        json!({ "id": id, "name": format!("Glasses no. {id}") }),
    )
}

fn answer(name: &str, value: Value) -> Json<Value> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Json(json!({
        "requestId": format!("{:016x}", fastrand::u64(..)),
        "generatedAt": now.unwrap_or_default().as_nanos().to_string(),
        name: value,
    }))
}
