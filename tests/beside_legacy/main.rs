//! `HttpTarget` beside hyper-util's legacy client: the same servers, which close, go away, refuse and fall silent, and the
//! same load. `HttpTarget` is at least as good in every row of the table in `docs/conformance.md`.

mod arrived;
mod clients;
mod closing;
mod expiring;
mod graceful;
mod heads;
mod servers;
mod unprocessed;
mod unread;
mod unresponsive;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(60);

async fn within<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(HANG, waiting).await.expect("it hangs")
}

/// Polls it once.
async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Shows how many requests each client lost, and fails if ours lost more.
fn compare(what: &str, [ours, legacy]: [usize; 2]) {
    println!("lost, {what}: {ours}; by legacy: {legacy}");
    assert!(
        ours <= legacy,
        "{what}: lost {ours}, while legacy lost {legacy}"
    );
}
