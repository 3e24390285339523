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
    time::{Instant, Sleep, sleep},
};

/// `None` in a runtime without timers, where tokio panics.
pub(crate) fn try_sleep(duration: Duration) -> Option<Sleep> {
    catch_unwind(AssertUnwindSafe(|| sleep(duration))).ok()
}

/// Moves a deadline to so far from now. One beyond the end of time stays where
/// it is: thirty years at the least, in which a body or an answer would end.
pub(crate) fn restart(deadline: Pin<&mut Sleep>, duration: Duration) {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    deadline.reset(Instant::now() + duration.min(FAR));
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
