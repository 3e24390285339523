//! The number of requests that a round may still send.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use tokio::sync::Notify;

pub(crate) struct Tickets {
    taken: AtomicU64,
    all: u64,
    until: Instant,
    drain_at: u64,
    drain: Notify,
}

impl Tickets {
    pub(crate) fn new(all: u64, drain_at: u64, until: Instant) -> Self {
        Self {
            taken: AtomicU64::new(0),
            all,
            until,
            drain_at,
            drain: Notify::new(),
        }
    }

    /// The number of the next request, if one may be sent.
    pub(crate) fn take(&self) -> Option<u64> {
        if Instant::now() > self.until {
            return None;
        }
        let number = self.taken.fetch_add(1, Relaxed);
        if number == self.drain_at {
            self.drain.notify_one();
        }
        (number < self.all).then_some(number)
    }

    /// Ends the requests.
    pub(crate) fn are_used(&self) {
        self.drain.notify_one();
    }

    /// Waits until the drain should begin, which is usually before the last request.
    pub(crate) async fn drain_time(&self) {
        self.drain.notified().await;
    }
}
