//! The lock, the atomics and the notification that a copy's parts share: those of the standard library and of tokio,
//! or loom's where the models run.
//!
//! What is modelled takes them from here, so that a model runs the code itself. `cd models && cargo test --release`
//! runs the models, which lie beside what they check: `body/models/` and `mirror/gate_models.rs`.

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
