//! The reverse proxy of the examples, run as the program it is, over loopback.

#![cfg(unix)] // signals
#![allow(clippy::unwrap_used)]

mod admin;
mod arguments;
#[allow(dead_code)] // a part of it is for others
#[path = "../ends/client.rs"]
mod by_hand;
mod child;
mod client;
mod ending;
mod forwarding;
#[allow(dead_code)] // a part of it is for others
#[path = "../faults/frames.rs"]
mod frames;
mod headers;
mod http2;
mod metrics;
mod mirroring;
mod promql;
#[allow(dead_code)] // a part of it is for others
#[path = "../ends/server.rs"]
mod server;
mod split;
mod split_admin;
mod split_down;
mod upgrades;
mod uploads;
mod upstream;

use std::{future::Future, time::Duration};

/// Nothing here takes this long unless it is broken.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("took too long: {what}"))
}
