//! Deadlines, where there may be no timers.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// So long after `from`; at the latest in thirty years, in which a body or an answer would end.
pub(crate) fn later(from: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    from + duration.min(FAR)
}

/// `None` in a runtime without timers, where tokio panics.
pub(crate) fn try_sleep_until(deadline: Instant) -> Option<Sleep> {
    catch_unwind(AssertUnwindSafe(|| sleep_until(deadline))).ok()
}

/// See [`try_sleep_until`].
pub(crate) fn try_sleep(duration: Duration) -> Option<Sleep> {
    try_sleep_until(later(Instant::now(), duration))
}

/// What `work` gives within `limit`. In a runtime without timers there is no time to wait.
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

/// What `work` gives, unless `stop` ends before it. Work that is ready is never
/// thrown away. Both are pinned where they are, since whatever is moved into a future makes it larger.
pub(crate) fn until<W: Future, S: Future>(
    mut work: Pin<&mut W>,
    mut stop: Pin<&mut S>,
) -> impl Future<Output = Option<W::Output>> {
    poll_fn(move |cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        // Unconstrained, or work that uses up tokio's budget would hold off its own deadline.
        let stopped = pin!(unconstrained(stop.as_mut())).poll(cx);
        stopped.map(|_| None)
    })
}
