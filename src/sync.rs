//! The lock, the atomics and the notification that the parts of a copy share. They are those of the
//! standard library and of tokio, or those of loom in the models.
//!
//! Code that has a model imports them from here, so that the model runs the real code. `cd models
//! && cargo test --release` runs the models, which are next to the code that they check:
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
