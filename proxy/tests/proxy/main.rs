//! Tests of the proxy, which run the program on the loopback device.

#![cfg(unix)] // signals
#![allow(clippy::unwrap_used)]

mod admin;
mod arguments;
mod child;
mod client;
mod compare;
mod conformance;
mod ending;
mod fleet;
mod forwarding;
mod headers;
mod http2;
mod metrics;
mod mirroring;
#[cfg(target_os = "linux")] // it reads /proc
mod neighbours;
mod program;
mod promql;
mod rollout_tools;
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
