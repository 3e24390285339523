//! The clients. They send the same requests in each run, so that a fault of v2 is met at the same places.

use axum::{Router, body::Body};
use futures_util::future::try_join_all;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::{
    Result,
    shop::{BROKEN_EVERY, ITEMS, PAGE},
};

/// Requests that are sent at the same time.
pub(crate) const BATCH: u64 = 16;
/// One page of so many is requested with `expand=stock`.
const EXPANDED_EVERY: u64 = 3;
/// Of the requests to `/items`, one of so many meets the fault of v2.
pub(crate) const MET_EVERY: u64 = BROKEN_EVERY / PAGE * EXPANDED_EVERY;

/// Every second request is for a page, and the others are for one item.
#[derive(Default)]
pub(crate) struct Load {
    sent: u64,
}

impl Load {
    /// Sends the next requests to each of the apps, and reads the answers.
    pub(crate) async fn batch(&mut self, apps: &[&Router]) -> Result<()> {
        let numbers = self.sent..self.sent + BATCH;
        self.sent += BATCH;
        let asked = numbers.flat_map(|number| apps.iter().map(move |app| ask(app, number)));
        try_join_all(asked).await?;
        Ok(())
    }
}

async fn ask(app: &Router, number: u64) -> Result<()> {
    let page = number / 2;
    let uri = match (number % 2, page % EXPANDED_EVERY) {
        (1, _) => format!("/items/{}", page % ITEMS + 1),
        (_, 0) => format!("/items?page={page}&expand=stock"),
        _ => format!("/items?page={page}"),
    };
    let request = Request::get(&uri).body(Body::empty())?;
    let answer = app.clone().oneshot(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("{uri} was answered with {}", answer.status()).into());
    }
    answer.into_body().collect().await?;
    Ok(())
}
