//! `Triple`: the answers to one request, from its admission until the last of those that work on it is done.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::{
    core::Core,
    drop_reason::DropReason,
    features::Features,
    tape::{Full, Tape},
    turn::{Turn, Which},
};
use crate::guard::{drop_guarded, unpoisoned};

/// What is known of a request. It contains no text of the client except the method and the route label.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) method: Method,
    pub(super) route: Option<Arc<str>>,
    pub(super) arrived: Instant,
    /// Which comparison it belongs to. A reset begins a new one.
    pub(super) generation: u64,
}

/// How a copy was answered.
#[derive(Debug)]
pub(super) struct CopyAnswer {
    pub(super) end: CopyEnd,
    /// The head, and the body if the answer is whole.
    pub(super) tape: Option<Tape>,
    /// From the call to the end of the answer.
    pub(super) latency: Duration,
}

/// How the answer to a copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyEnd {
    Whole,
    /// There is a head, and the body broke off.
    Cut,
    /// There is a head, and the body had not ended at the timeout.
    TimedOut,
    TooLong,
    NoAnswer,
}

/// Everything that one comparison needs.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) facts: Facts,
    pub(super) primary: Tape,
    pub(super) shadow: CopyAnswer,
    pub(super) baseline: Option<CopyAnswer>,
    pub(super) features: Features,
}

impl Job {
    /// Frames are dropped here, and the destructor of one may be a user's.
    pub(super) fn discard(self) {
        drop_guarded(self);
    }
}

/// Held by the answer of the primary and by both copies. The last one that drops it finishes it.
pub(super) struct Triple {
    core: Arc<Core>,
    facts: Facts,
    /// Set once: the answers are not compared, for this reason.
    dropped: AtomicU8,
    answers: Mutex<Answers>,
    turn: Turn,
}

#[derive(Debug, Default)]
struct Answers {
    primary: Option<Tape>,
    /// The answer of the primary is whole.
    is_primary_ended: bool,
    shadow: Option<CopyAnswer>,
    baseline: Option<CopyAnswer>,
    features: Features,
}

impl Triple {
    pub(super) fn new(core: Arc<Core>, facts: Facts) -> Self {
        Self {
            turn: Turn::new(core.settings.is_alone()),
            core,
            facts,
            dropped: AtomicU8::new(0),
            answers: Mutex::default(),
        }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Whether the answers are dropped already, so that nothing more need be kept.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Relaxed) != 0
    }

    /// Drops all answers, those included that are still to come. The first reason counts.
    pub(super) fn discard(&self, reason: DropReason) {
        let _ = self
            .dropped
            .compare_exchange(0, reason.stored(), Relaxed, Relaxed);
        let answers = mem::take(&mut *self.lock());
        drop_guarded(answers);
    }

    /// The primary has begun to answer. `false`: the answer is not kept.
    pub(super) fn primary_head(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let reason = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some(DropReason::PrimaryRefused)
            }
            StatusCode::SWITCHING_PROTOCOLS => Some(DropReason::Upgrade),
            StatusCode::NOT_MODIFIED => Some(DropReason::Conditional),
            _ => None,
        };
        if let Some(reason) = reason {
            self.discard(reason);
            return false;
        }
        match Tape::begin(self.core.budget(), status, headers.clone()) {
            None => {
                self.discard(DropReason::HeldBytes);
                false
            }
            Some(tape) => {
                self.lock().primary = Some(tape);
                let is_dropped = self.is_dropped();
                if is_dropped {
                    // A copy has dropped the answers in between; the reason is known.
                    self.discard(DropReason::Aborted);
                }
                !is_dropped
            }
        }
    }

    /// The primary's answer goes on. `false`: the answer is no longer kept.
    pub(super) fn primary_data(&self, data: Bytes) -> bool {
        self.keep(|tape, max_bytes| tape.push(data, max_bytes))
    }

    pub(super) fn primary_trailers(&self, trailers: HeaderMap) -> bool {
        self.keep(|tape, _| {
            let kept = tape.end_with(trailers);
            kept.map_err(|full| (full, Bytes::new()))
        })
    }

    fn keep(&self, push: impl FnOnce(&mut Tape, usize) -> Result<(), (Full, Bytes)>) -> bool {
        let kept = {
            let mut answers = self.lock();
            let tape = answers.primary.as_mut();
            tape.map(|tape| push(tape, self.core.settings.max_answer_bytes))
        };
        match kept {
            Some(Ok(())) => true,
            Some(Err((full, _data))) => {
                self.discard(match full {
                    Full::Answer => DropReason::TooLarge,
                    Full::Budget => DropReason::HeldBytes,
                });
                false
            }
            None => false,
        }
    }

    /// What the request may have in common with others.
    pub(super) fn set_features(&self, features: Features) {
        self.lock().features = features;
    }

    /// The primary's answer is whole.
    pub(super) fn primary_ended(&self) {
        self.lock().is_primary_ended = true;
    }

    /// A copy has its answer, or none.
    pub(super) fn copy_ended(&self, which: Which, answer: CopyAnswer) {
        if self.is_dropped() {
            return;
        }
        let is_streaming = {
            let mut answers = self.lock();
            match which {
                Which::Shadow => answers.shadow = Some(answer),
                Which::Baseline => answers.baseline = Some(answer),
            }
            let timed_out = |answer: &Option<CopyAnswer>| matches!(answer, Some(answer) if answer.end == CopyEnd::TimedOut);
            let is_baseline = self.core.settings.is_alone() || timed_out(&answers.baseline);
            !answers.is_primary_ended && timed_out(&answers.shadow) && is_baseline
        };
        if is_streaming {
            self.discard(DropReason::Streaming);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        unpoisoned(self.answers.lock())
    }

    /// What is compared, or why nothing is.
    fn job(&mut self) -> Result<Job, DropReason> {
        if let Some(reason) = DropReason::from_stored(*self.dropped.get_mut()) {
            return Err(reason);
        }
        let answers = self.answers.get_mut();
        let answers = mem::take(unpoisoned(answers));
        let is_alone = self.core.settings.is_alone();
        let job = match (answers.primary, answers.shadow, answers.baseline) {
            (Some(primary), Some(shadow), baseline)
                if answers.is_primary_ended && (is_alone || baseline.is_some()) =>
            {
                Job {
                    facts: self.facts.clone(),
                    primary,
                    shadow,
                    baseline,
                    features: answers.features,
                }
            }
            // A side that has no answer has discarded the triple with its reason, unless its task was dropped.
            other => {
                drop_guarded(other);
                return Err(DropReason::Aborted);
            }
        };
        let status = |answer: &CopyAnswer| answer.tape.as_ref().map(Tape::status);
        let copies = [Some(&job.shadow), job.baseline.as_ref()];
        let statuses: Vec<_> = copies.into_iter().flatten().filter_map(status).collect();
        let reason = match () {
            () if statuses.contains(&StatusCode::NOT_MODIFIED) => DropReason::Conditional,
            () if statuses.contains(&StatusCode::SWITCHING_PROTOCOLS) => DropReason::Upgrade,
            () => return Ok(job),
        };
        job.discard();
        Err(reason)
    }
}

impl Drop for Triple {
    fn drop(&mut self) {
        let job = self.job();
        self.core.finish(job);
    }
}

impl fmt::Debug for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triple")
            .field("is_dropped", &self.is_dropped())
            .finish_non_exhaustive()
    }
}
