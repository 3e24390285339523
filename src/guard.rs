//! Calls of code that may panic, and locks whose holder has panicked.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{LockResult, PoisonError},
};

/// Calls code of users: a panic in it is caught and must not reach the primary. `None` if it panicked.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Drops a value whose destructor may be a user's code, and may panic.
pub(crate) fn drop_guarded<T>(value: T) {
    let _ = guarded(move || drop(value));
}

/// The content of a lock, even if a thread panicked while it held the lock: no lock of this crate is held while the
/// content is invalid.
pub(crate) fn unpoisoned<G>(lock: LockResult<G>) -> G {
    lock.unwrap_or_else(PoisonError::into_inner)
}
