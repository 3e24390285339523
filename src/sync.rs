//! The lock, the atomics and the notification that the parts of a copy share. They come from the
//! standard library and tokio, or from loom when the models run.
//!
//! Modelled code imports them from here, so that a model runs the same code as the library. Run the
//! models with `cd models && cargo test --release`. They are next to the code that they check:
//! `body/models/` and `mirror/gate_models.rs`.

#[cfg(tower_mirror_loom)]
mod modelled;

#[cfg(tower_mirror_loom)]
pub(crate) use self::modelled::{Mutex, MutexGuard, Notify, atomic};
#[cfg(not(tower_mirror_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(tower_mirror_loom))]
pub(crate) use tokio::sync::Notify;

#[cfg(all(test, tower_mirror_loom))]
pub(crate) use self::modelled::model;
