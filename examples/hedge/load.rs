//! The clients: orders of all sizes. Every answer is examined.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::{Result, stack::Client};

/// Requests of one load.
pub(crate) const REQUESTS: usize = 600;
/// Simultaneous clients.
const CLIENTS: usize = 8;
/// Identifies a request, however often it is sent.
pub(crate) const ID: &str = "x-order-id";
/// The place of the slow request in each twenty.
pub(crate) const SLOW_ONCE: usize = 7;
/// The place in each four hundred of the request that is slow even when it is sent again.
pub(crate) const SLOW_TWICE: usize = 207;

/// What clients received.
pub(crate) struct Load {
    pub(crate) right: usize,
    latencies: Vec<Duration>,
}

impl Load {
    /// Sends a load.
    pub(crate) async fn send(client: &Client) -> Self {
        let sending = (0..CLIENTS).map(|first| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                for id in (first..REQUESTS).step_by(CLIENTS) {
                    let length = [1, 100, 4 << 10, 32 << 10][id % 4];
                    latencies.extend(order(&client, id, length).await);
                }
                latencies
            })
        });
        let mut latencies = Vec::new();
        for sent in sending.collect::<Vec<_>>() {
            latencies.extend(sent.await.unwrap_or_default());
        }
        latencies.sort_unstable();
        let right = latencies.len();
        Self { right, latencies }
    }

    /// The latency that this percentage of the requests does not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied().unwrap_or_default()
    }
}

/// Sends one order with a body of this length. Returns how long the correct answer took.
pub(crate) async fn order(client: &Client, id: usize, length: usize) -> Result<Duration> {
    let body: Bytes = (0..length).map(|at| (id + at + at / 251) as u8).collect();
    let expected = sum(&body);
    let request = Request::post("/orders")
        .header(ID, id)
        .body(Full::from(body))?;
    let begun = Instant::now();
    let answer = client.clone().oneshot(request).await?;
    let answer = answer.into_body().collect().await?.to_bytes();
    let latency = begun.elapsed();
    match answer == expected {
        true => Ok(latency),
        false => Err(format!("order {id} was answered {answer:?}").into()),
    }
}

/// The answer of the server: the length of the order, and a sum over its bytes that depends on their places.
pub(crate) fn sum(body: &[u8]) -> String {
    let sum = body.iter().fold(17_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add((*byte).into())
    });
    format!("{} {sum:08x}", body.len())
}
