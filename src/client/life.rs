//! The age and the use of a connection, from which its end follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::time::later;

/// The life of one connection: its age, how many requests use it, and when the last of them ended.
#[derive(Clone, Debug)]
pub(super) struct Life(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    made: Instant,
    /// When it gets no more requests.
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
        // Connections that were made at the same time are not replaced at the same time.
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

    /// Whether no request has ended on it yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.0.last_used.load(SeqCst) == UNUSED
    }

    /// Whether it may get another request.
    pub(super) fn is_over(&self) -> bool {
        let now = Instant::now();
        self.0.until <= now || self.idle_until().is_some_and(|end| end <= now)
    }

    /// When it reaches the idle timeout. `None` while it is used.
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

    /// Waits until it is unused, and has reached its maximum age or the idle timeout.
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

/// The most requests at a time that the server admits on a connection. There is no limit before it has announced one, so that the
/// first requests share the connection.
#[derive(Clone, Debug)]
pub(super) struct MaxStreams(Arc<AtomicUsize>);

impl MaxStreams {
    /// How many requests hyper sends before the settings of the server have arrived. Some servers end the connection of a client that
    /// opens more streams than they admit, so this is the least number.
    pub(super) const BEFORE: usize = 1;

    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    pub(super) fn set(&self, max: usize) {
        // A server that admits none for now still gets one request.
        self.0.store(max.max(1), SeqCst);
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Finds the end of the first HTTP/2 frame that is received, which has the settings of the server.
#[derive(Debug, Default)]
pub(super) struct FirstFrame {
    received: usize,
    /// The length of its payload, as far as it was received.
    length: usize,
}

impl FirstFrame {
    const HEAD: usize = 9;
    const LENGTH: usize = 3;

    /// Whether `bytes`, which follow those before, contain the last one of the frame.
    pub(super) fn ends_in(&mut self, bytes: &[u8]) -> bool {
        let rest = Self::LENGTH.saturating_sub(self.received);
        for byte in bytes.iter().take(rest) {
            self.length = self.length << 8 | usize::from(*byte);
        }
        let before = self.received;
        self.received = before.saturating_add(bytes.len());
        let end = Self::HEAD + self.length;
        self.received >= end && before < end
    }
}
