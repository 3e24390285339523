//! loom's lock and atomics, and a substitute for tokio's `Notify`. Only the models use them.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};

pub(crate) use loom::sync::{Mutex, MutexGuard};

pub(crate) mod atomic {
    //! Atomics that provide the requested ordering. loom treats a `SeqCst` access as an `AcqRel`
    //! access, which is weaker, but supports `SeqCst` fences. A fence before and after such an
    //! access makes it sequentially consistent, if all accesses to the same variables have these
    //! fences.

    pub(crate) use loom::sync::atomic::Ordering;
    use loom::sync::atomic::{self, fence};

    fn ordered<T>(order: Ordering, access: impl FnOnce() -> T) -> T {
        let fence_of = || {
            if order == Ordering::SeqCst {
                fence(Ordering::SeqCst);
            }
        };
        fence_of();
        let value = access();
        fence_of();
        value
    }

    macro_rules! atomics {
        ($($name:ident of $value:ty),*) => {$(
            #[derive(Debug)]
            pub(crate) struct $name(atomic::$name);

            #[allow(dead_code)] // Every type has all functions, and not all are used.
            impl $name {
                pub(crate) fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    ordered(order, || self.0.load(order))
                }

                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    ordered(order, || self.0.swap(value, order))
                }

                pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    ordered(order, || self.0.fetch_add(value, order))
                }

                pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    ordered(order, || self.0.fetch_sub(value, order))
                }

                pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    ordered(order, || self.0.fetch_or(value, order))
                }

                pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    ordered(order, || self.0.fetch_and(value, order))
                }

                pub(crate) fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    update: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    ordered(set, || self.0.fetch_update(set, fetch, update))
                }
            }
        )*};
    }

    atomics!(AtomicU8 of u8, AtomicU64 of u64, AtomicUsize of usize);
}

/// Implements the part of the contract of `tokio::sync::Notify` that is used: `notify_waiters`
/// completes every future that was created before the call, whether or not it was polled.
#[derive(Debug)]
pub(crate) struct Notify {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    count: u64,
    waiting: Vec<Waker>,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self {
            calls: Mutex::default(),
        }
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            count_before: self.calls().count,
        }
    }

    pub(crate) fn notify_waiters(&self) {
        let mut calls = self.calls();
        calls.count += 1;
        let waiting = mem::take(&mut calls.waiting);
        drop(calls);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Notified<'n> {
    notify: &'n Notify,
    count_before: u64,
}

impl Notified<'_> {
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        self.notify.calls().count > self.count_before
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut calls = self.notify.calls();
        if calls.count > self.count_before {
            return Poll::Ready(());
        }
        calls.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// Runs a model in every order of its threads in which threads are preempted at most three times,
/// or as often as `LOOM_MAX_PREEMPTIONS` says. Prints the number of these orders.
#[cfg(test)]
pub(crate) fn model(run: impl Fn() + Sync + Send + 'static) {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    let orders = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check({
        let orders = Arc::clone(&orders);
        move || {
            orders.fetch_add(1, Relaxed);
            run();
        }
    });
    println!("{} orders", orders.load(Relaxed));
}
