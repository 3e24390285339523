//! How long a connection is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::time::later;

/// The life of one connection: how old it is, how many requests use it, and since when none does.
#[derive(Clone, Debug)]
pub(super) struct Life(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    made: Instant,
    /// From then on it gets no more requests.
    until: Instant,
    idle_timeout: Duration,
    requests: AtomicUsize,
    /// Milliseconds from when it was made to the end of its last request, or [`UNUSED`].
    last_used: AtomicU64,
}

const UNUSED: u64 = u64::MAX;
/// The least time that a new connection waits for the request that it was made for.
const FIRST_USE: Duration = Duration::from_secs(1);

/// A request that uses the connection.
#[derive(Debug)]
pub(super) struct Use(Life);

impl Life {
    pub(super) fn new(max_age: Duration, idle_timeout: Duration) -> Self {
        let made = Instant::now();
        // Connections that were made together are not made anew together.
        let less = max_age.mul_f64(fastrand::f64() / 10.0);
        Self(Arc::new(Inner {
            made,
            until: later(made, max_age - less),
            idle_timeout,
            requests: AtomicUsize::new(0),
            last_used: AtomicU64::new(UNUSED),
        }))
    }

    pub(super) fn begin(&self) -> Use {
        self.0.requests.fetch_add(1, SeqCst);
        Use(self.clone())
    }

    /// Whether no request on it has ended yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.0.last_used.load(SeqCst) == UNUSED
    }

    /// Whether it may get another request.
    pub(super) fn is_over(&self) -> bool {
        let now = Instant::now();
        self.0.until <= now || self.idle_until().is_some_and(|end| end <= now)
    }

    /// When it has been unused for too long. `None` while it is used.
    fn idle_until(&self) -> Option<Instant> {
        let inner = &*self.0;
        if inner.requests.load(SeqCst) > 0 {
            return None;
        }
        Some(match inner.last_used.load(SeqCst) {
            UNUSED => later(inner.made, inner.idle_timeout.max(FIRST_USE)),
            since => later(
                inner.made,
                Duration::from_millis(since).saturating_add(inner.idle_timeout),
            ),
        })
    }

    /// Waits until it is unused, and too old or unused for too long.
    pub(super) async fn over(self) {
        loop {
            let now = Instant::now();
            let is_fresh = self.is_fresh();
            let too_old = |end: Instant| if is_fresh { end } else { end.min(self.0.until) };
            match self.idle_until().map(too_old) {
                Some(end) if end <= now => return,
                Some(end) => sleep_until(end).await,
                None => sleep_until(later(now, self.0.idle_timeout)).await,
            }
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let inner = &*self.0.0;
        let since = u64::try_from(inner.made.elapsed().as_millis()).unwrap_or(UNUSED - 1);
        inner.last_used.store(since, SeqCst);
        inner.requests.fetch_sub(1, SeqCst);
    }
}
