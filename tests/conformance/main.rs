//! The cases of other systems, each named after its source and its number there. `docs/conformance.md` lists them
//! all, with what comes of them here and elsewhere.

#![cfg(unix)] // the proxy's child process
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code)]
#[path = "../proxy/child.rs"]
mod child;
#[allow(dead_code)]
#[path = "../proxy/client.rs"]
mod client;

mod envoy;
mod gateway;
mod ours;
mod split;
mod table;
#[allow(dead_code)] // the example uses the rest
mod wire;

use std::{future::Future, time::Duration};

/// Nothing here takes this long unless it is broken.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("took too long: {what}"))
}
