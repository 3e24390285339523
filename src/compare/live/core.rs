//! `Core`: what the primary's path, the copies and the handles of one comparison share.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc::{SyncSender, TrySendError},
    },
};

use http::{
    HeaderName, Method,
    header::{
        IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, UPGRADE,
    },
};
use tokio::{sync::Notify, time::Instant};

use super::{
    drop_reason::DropReason,
    ledger::Ledger,
    settings::Settings,
    side::CopySide,
    triple::{Facts, Job, Triple},
};
use crate::{
    body::Budget,
    guard::guarded,
    mirror::{Follow, Followed},
    request_head::RequestHead,
};

pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    /// The comparing thread ends when the last sender is gone.
    queue: SyncSender<Job>,
}

impl Core {
    pub(super) fn new(settings: Settings, ledger: Arc<Ledger>, queue: SyncSender<Job>) -> Self {
        Self {
            budget: Arc::new(Budget::new(settings.max_held_bytes)),
            settings,
            ledger,
            queue,
        }
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Why a request is not compared, as far as its head shows that.
    fn refusal(&self, head: &RequestHead<'_>) -> Option<DropReason> {
        if !self.settings.compares(head.method) {
            return Some(DropReason::Method);
        }
        if head.headers.contains_key(UPGRADE) || *head.method == Method::CONNECT {
            return Some(DropReason::Upgrade);
        }
        if CONDITIONS
            .iter()
            .any(|name| head.headers.contains_key(name))
        {
            return Some(DropReason::Conditional);
        }
        // Independent at each request, so that the share and the sample of the mirror do not interfere.
        let is_taken = self.settings.share.takes(fastrand::u64(..));
        (!is_taken).then_some(DropReason::Share)
    }

    /// The last one that worked on a triple is done.
    pub(super) fn finish(&self, job: Result<Job, DropReason>) {
        let reason = match job {
            Err(reason) => reason,
            Ok(job) => match self.queue.try_send(job) {
                Ok(()) => return,
                Err(TrySendError::Full(job)) => {
                    job.discard();
                    DropReason::Busy
                }
                Err(TrySendError::Disconnected(job)) => {
                    job.discard();
                    DropReason::Aborted
                }
            },
        };
        self.ledger.not_compared(reason);
    }
}

/// Validators and ranges refer to what one replica sent before.
static CONDITIONS: [HeaderName; 6] = [
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    RANGE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
];

/// Without the answers that wait.
impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("settings", &self.settings)
            .field("held_bytes", &self.budget.used())
            .finish_non_exhaustive()
    }
}

/// Begins a triple for each copy.
pub(super) struct Follower(pub(super) Arc<Core>);

impl Follow for Follower {
    fn begin(&self, head: &RequestHead<'_>, route: Option<&Arc<str>>) -> Option<Followed> {
        let core = &self.0;
        if let Some(reason) = core.refusal(head) {
            core.ledger.refused(reason);
            return None;
        }
        let facts = Facts {
            method: head.method.clone(),
            route: route.cloned(),
            arrived: Instant::now(),
            generation: core.ledger.begin(),
        };
        let triple = Arc::new(Triple::new(Arc::clone(core), facts));
        Some(Followed {
            side: Box::new(CopySide::shadow(Arc::clone(&triple))),
            token: triple,
        })
    }
}

/// How many requests are under way, and who waits for their end.
#[derive(Debug)]
pub(super) struct Open {
    count: AtomicU64,
    none: Notify,
}

impl Open {
    pub(super) fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            none: Notify::new(),
        }
    }

    pub(super) fn begin(&self) {
        self.count.fetch_add(1, SeqCst);
    }

    pub(super) fn end(&self) {
        if self.count.fetch_sub(1, SeqCst) == 1 {
            // The waker is a user's code.
            let _ = guarded(|| self.none.notify_waiters());
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    pub(super) async fn wait_none(&self) {
        loop {
            let mut changed = pin!(self.none.notified());
            changed.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            changed.await;
        }
    }
}
