//! Functions that catch panics in code of the user, and that take locks after a panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{LockResult, PoisonError},
};

/// Calls code of the user. A panic in it is caught, because it must not reach the primary. Returns
/// `None` after a panic.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Drops a value whose destructor may be code of the user, and may panic.
pub(crate) fn drop_guarded<T>(value: T) {
    let _ = guarded(move || drop(value));
}

/// Returns the content of a lock, even if a thread has panicked while it held the lock. The content
/// is valid, because it is never invalid while code that may panic runs.
pub(crate) fn unpoisoned<G>(lock: LockResult<G>) -> G {
    lock.unwrap_or_else(PoisonError::into_inner)
}
