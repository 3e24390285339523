//! The HTTP/1.1 connections of a pool: the idle ones, the callers that wait for one, and those in use.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::io::Wire;
use super::life::{Life, Use};
use super::upload::RequestBody;
use crate::time::within;

/// A connection without a request.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) send: SendRequest<RequestBody>,
    pub(super) wire: Wire,
    /// Whether it has served a request before. Then its peer may close it at any time.
    pub(super) is_reused: bool,
    pub(super) life: Life,
}

/// How long a connection whose response has ended may take to become ready before another one is dialled.
/// It takes microseconds, unless the peer answered before it had read the request.
pub(super) const SETTLE: Duration = Duration::from_millis(5);

/// A stack: the connection that was used last is used first, and those that are not needed reach their idle timeout.
#[derive(Debug)]
pub(super) struct Idle {
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    stack: VecDeque<Sender>,
    /// The callers that wait, in their order. A connection enters the stack only when no caller waits.
    waiting: VecDeque<oneshot::Sender<Lease>>,
    /// At this length, the callers that no longer wait are removed.
    sweep_at: usize,
    /// How many connections will probably be ready within [`SETTLE`].
    pub(super) settling: usize,
}

/// A connection that may serve one request. It returns to the pool when it is dropped unused.
#[derive(Debug)]
pub(super) struct Lease {
    sender: Option<Sender>,
    idle: Weak<Idle>,
}

/// The answer to a caller that wants a connection.
pub(super) enum Asked {
    Have(Lease),
    Wait {
        returned: oneshot::Receiver<Lease>,
        /// Whether one will probably be ready soon, so that waiting for it is better than dialling.
        soon: bool,
    },
}

impl Idle {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            state: Mutex::default(),
        })
    }

    pub(super) fn lease(self: &Arc<Self>, sender: Sender) -> Lease {
        Lease {
            sender: Some(sender),
            idle: Arc::downgrade(self),
        }
    }

    pub(super) fn pop(self: &Arc<Self>) -> Option<Lease> {
        let sender = self.lock().pop()?;
        Some(self.lease(sender))
    }

    /// Takes a connection or joins the queue, in one step, so that no connection that returns is missed.
    pub(super) fn pop_or_wait(self: &Arc<Self>) -> Asked {
        let mut state = self.lock();
        match state.pop() {
            Some(sender) => Asked::Have(self.lease(sender)),
            None => Asked::Wait {
                soon: state.settling > 0,
                returned: state.wait(),
            },
        }
    }

    /// Joins the queue, and closes the oldest idle connection, so that another one can be dialled.
    pub(super) fn evict_and_wait(&self) -> oneshot::Receiver<Lease> {
        let mut state = self.lock();
        let oldest = state.stack.pop_front();
        let returned = state.wait();
        drop(state);
        drop(oldest);
        returned
    }

    /// Closes all idle connections: the server has closed one, and accepts no new one.
    pub(super) fn clear(&self) {
        let stack = std::mem::take(&mut self.lock().stack);
        drop(stack);
    }

    pub(super) fn put(self: &Arc<Self>, mut sender: Sender) {
        sender.is_reused = true;
        if sender.life.is_over() {
            return;
        }
        let mut lease = self.lease(sender);
        loop {
            let mut state = self.lock();
            let Some(waiter) = state.waiting.pop_front() else {
                if let Some(sender) = lease.sender.take() {
                    state.push(sender, self.max);
                }
                return;
            };
            // Sending wakes a caller, and may return the lease. Neither may happen with the lock held.
            drop(state);
            match waiter.send(lease) {
                Ok(()) => return,
                Err(back) => lease = back,
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Sender> {
        std::iter::from_fn(|| self.stack.pop_back())
            .find(|sender| sender.send.is_ready() && !sender.life.is_over())
    }

    fn push(&mut self, sender: Sender, max: usize) {
        if sender.send.is_closed() || max == 0 {
            return;
        }
        if self.stack.len() >= max {
            self.stack.pop_front();
        }
        self.stack.push_back(sender);
    }

    fn wait(&mut self) -> oneshot::Receiver<Lease> {
        // The queue doubles between two sweeps, so a sweep costs a constant time for each caller.
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|waiter| !waiter.is_closed());
            self.sweep_at = (2 * self.waiting.len()).max(64);
        }
        let (waiter, returned) = oneshot::channel();
        self.waiting.push_back(waiter);
        returned
    }
}

impl Lease {
    pub(super) fn is_closed(&self) -> bool {
        self.sender
            .as_ref()
            .is_none_or(|sender| sender.send.is_closed())
    }

    /// Takes the connection into use. From here on, only [`InUse::finish`] returns it to the pool.
    pub(super) fn into_use(mut self) -> Option<InUse> {
        let sender = self.sender.take()?;
        Some(InUse::new(sender, self.idle.clone()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(sender), Some(idle)) = (self.sender.take(), self.idle.upgrade()) {
            idle.put(sender);
        }
    }
}

/// A connection that serves a request. It is closed when it is dropped before the end of the response.
#[derive(Debug)]
pub(super) struct InUse {
    abort_mark: AbortMark, // dropped first, so that the task of the connection sees the mark
    pub(super) sender: Sender,
    idle: Weak<Idle>,
    life: Option<Use>,
    /// Whether the connection may serve another request.
    pub(super) is_kept: bool,
}

/// Marks the request as aborted when it is dropped.
#[derive(Debug)]
struct AbortMark(Option<Wire>);

impl AbortMark {
    fn of(sender: &Sender) -> Self {
        Self(Some(sender.wire.clone()))
    }
}

impl Drop for AbortMark {
    fn drop(&mut self) {
        if let Some(wire) = &self.0 {
            wire.set_broken(true);
        }
    }
}

impl InUse {
    pub(super) fn new(sender: Sender, idle: Weak<Idle>) -> Self {
        Self {
            abort_mark: AbortMark::of(&sender),
            life: Some(sender.life.begin()),
            sender,
            idle,
            is_kept: true,
        }
    }

    /// The connection has switched protocols, and ends when both sides of the tunnel have ended.
    pub(super) fn switched(mut self) {
        self.abort_mark.0 = None;
    }

    /// The response has ended. The connection returns to the pool as soon as hyper is ready for another request.
    pub(super) fn finish(mut self) {
        self.abort_mark.0 = None;
        self.life = None;
        if !self.is_kept {
            return;
        }
        let Some(idle) = self.idle.upgrade() else {
            return;
        };
        if self.sender.send.is_ready() {
            return idle.put(self.sender);
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.sender.send.is_closed() {
            return;
        }
        // The request has not ended.
        self.sender.wire.set_broken(true);
        let settling = Settling::new(&idle);
        drop(idle);
        runtime.spawn(async move {
            let soon = within(SETTLE, self.sender.send.ready()).await;
            let counted = soon.is_some().then_some(settling);
            let ready = match soon {
                Some(ready) => ready,
                None => self.sender.send.ready().await,
            };
            if let (Ok(()), Some(idle)) = (ready, self.idle.upgrade()) {
                self.sender.wire.set_broken(false);
                idle.put(self.sender);
            }
            drop(counted);
        });
    }
}

/// Counts a connection as settling while it lives.
struct Settling(Weak<Idle>);

impl Settling {
    fn new(idle: &Arc<Idle>) -> Self {
        idle.lock().settling += 1;
        Self(Arc::downgrade(idle))
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(idle) = self.0.upgrade() {
            idle.lock().settling -= 1;
        }
    }
}
