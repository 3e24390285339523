//! The one state of a mirror, made in `build()` and shared by all its clones.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use http::HeaderValue;

#[cfg(feature = "tracing")]
use super::lines::Lines;
use super::{gate::Gate, limits::Limits, policy::Policy, shadow::Launch};
use crate::{
    body::Budget,
    observe::{Counters, Observer, Stats},
    sample::SampleRate,
};

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    /// The name, as the mark's value.
    pub(super) mark_value: HeaderValue,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) gate: Gate,
    pub(super) budget: Arc<Budget>,
    pub(super) counters: Counters,
    pub(super) shadow: Arc<dyn Launch>,
    #[cfg(feature = "tracing")]
    pub(super) lines: Lines,
    /// The first host and what it became.
    pub(super) first_host: OnceLock<(Box<str>, HeaderValue)>,
    rate: AtomicU32,
}

impl Shared {
    pub(super) fn new(
        name: Arc<str>,
        shadow: Arc<dyn Launch>,
        rate: SampleRate,
        policy: Policy,
        limits: Limits,
    ) -> Self {
        Self {
            mark_value: header_value(&name),
            name,
            policy,
            gate: Gate::new(limits.max_in_flight),
            budget: Arc::new(Budget::new(limits.max_buffered_bytes)),
            limits,
            counters: Counters::new(),
            shadow,
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

    pub(super) fn stats(&self) -> Stats {
        self.counters.snapshot(self.budget.used())
    }

    /// Observers are users' code: what they break stays with them.
    #[inline]
    pub(super) fn tell(&self, tell: impl Fn(&dyn Observer)) {
        for observer in &self.policy.observers {
            if catch_unwind(AssertUnwindSafe(|| tell(observer.as_ref()))).is_err() {
                self.counters.observer_panicked();
            }
        }
    }
}

/// What a header cannot hold becomes `_`.
fn header_value(name: &str) -> HeaderValue {
    let visible = |c: char| if matches!(c, ' '..='~') { c } else { '_' };
    let name: String = name.chars().map(visible).collect();
    HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("mirror"))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .field("rate", &self.rate())
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
