//! `MirrorState`: the state that all clones of a mirror and all its copies share. It is created
//! once, when the mirror is built.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use http::HeaderValue;

#[cfg(feature = "tracing")]
use super::lines::Lines;
use super::{
    gate::Gate,
    settings::{Limits, MirrorPolicy, mark_value},
};
use crate::{
    body::Budget,
    guard::guarded,
    observe::{Counters, MirrorStats, Observer},
    sample::SampleRate,
};

pub(super) struct MirrorState {
    pub(super) name: Arc<str>,
    /// The value of the mark, which is made from the name.
    pub(super) mark_value: HeaderValue,
    pub(super) policy: Arc<MirrorPolicy>,
    pub(super) limits: Limits,
    pub(super) gate: Gate,
    pub(super) budget: Arc<Budget>,
    pub(super) counters: Counters,
    #[cfg(feature = "tracing")]
    pub(super) lines: Lines,
    /// The first host that was rewritten, and the result. Most services have only one host. No
    /// other host is kept, because clients choose hosts and could fill a larger cache.
    pub(super) first_host: OnceLock<(Box<str>, HeaderValue)>,
    rate: AtomicU32,
}

impl MirrorState {
    pub(super) fn new(
        name: Arc<str>,
        rate: SampleRate,
        policy: Arc<MirrorPolicy>,
        limits: Limits,
    ) -> Self {
        Self {
            mark_value: mark_value(&name),
            name,
            policy,
            gate: Gate::new(limits.max_in_flight),
            budget: Arc::new(Budget::new(limits.max_buffered_bytes)),
            limits,
            counters: Counters::new(),
            #[cfg(feature = "tracing")]
            lines: Lines::new(),
            first_host: OnceLock::new(),
            rate: AtomicU32::new(rate.as_per_million()),
        }
    }

    pub(super) fn rate(&self) -> SampleRate {
        SampleRate::from_stored(self.rate.load(Relaxed))
    }

    pub(super) fn set_rate(&self, rate: SampleRate) {
        self.rate.store(rate.as_per_million(), Relaxed);
    }

    pub(super) fn stats(&self) -> MirrorStats {
        self.counters.snapshot(self.budget.used())
    }

    /// Calls all observers. They are users' code: a panic in one is caught and counted.
    #[inline]
    pub(super) fn notify(&self, call: impl Fn(&dyn Observer)) {
        for observer in &self.policy.observers {
            if guarded(|| call(observer.as_ref())).is_none() {
                self.counters.observer_panicked();
            }
        }
    }
}

impl fmt::Debug for MirrorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorState")
            .field("name", &self.name)
            .field("rate", &self.rate())
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
