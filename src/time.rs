//! Functions for deadlines, in runtimes that may have no timers.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use crate::guard::guarded;

/// Returns the time `duration` after `from`, but at most thirty years after it, because a later
/// time could overflow.
pub(crate) fn later(from: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    from + duration.min(FAR)
}

/// Creates a timer. Returns `None` in a runtime without timers, where tokio panics.
pub(crate) fn try_sleep_until(deadline: Instant) -> Option<Sleep> {
    guarded(|| sleep_until(deadline))
}

/// See [`try_sleep_until`].
pub(crate) fn try_sleep(duration: Duration) -> Option<Sleep> {
    try_sleep_until(later(Instant::now(), duration))
}

/// Returns the output of `work`, or `None` if it is not ready within `limit`. In a runtime without
/// timers, `work` is polled only once.
pub(crate) async fn within<W: Future>(limit: Duration, work: W) -> Option<W::Output> {
    let mut work = pin!(work);
    match try_sleep(limit) {
        Some(sleep) => until(work, pin!(sleep)).await,
        None => {
            poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => Poll::Ready(None),
            })
            .await
        }
    }
}

/// Returns the output of `work`, or `None` if `stop` ends first. If both are ready, the output is
/// returned. The caller pins both, because a future that is moved into another future enlarges it.
pub(crate) fn until<W: Future, S: Future>(
    mut work: Pin<&mut W>,
    mut stop: Pin<&mut S>,
) -> impl Future<Output = Option<W::Output>> {
    poll_fn(move |cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        // Unconstrained, because work that uses up tokio's budget would delay its own deadline.
        let stopped = pin!(unconstrained(stop.as_mut())).poll(cx);
        stopped.map(|_| None)
    })
}
