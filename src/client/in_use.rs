//! An HTTP/1.1 connection while it carries a request.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;

use super::idle::{Idle, SETTLE, Sender};
use super::io::Wire;
use super::life::Use;
use crate::clock::within;

/// A connection that carries a request. Dropped before the response's end, it closes.
#[derive(Debug)]
pub(super) struct InUse {
    given_up: GivenUp, // dropped first, so that the connection's task finds it set
    pub(super) sender: Sender,
    idle: Weak<Idle>,
    life: Option<Use>,
}

/// Dropped, it says that the request was given up.
#[derive(Debug)]
struct GivenUp(Option<Wire>);

impl GivenUp {
    fn of(sender: &Sender) -> Self {
        Self(Some(sender.wire.clone()))
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(wire) = &self.0 {
            wire.set_broken(true);
        }
    }
}

impl InUse {
    pub(super) fn new(sender: Sender, idle: Weak<Idle>) -> Self {
        Self {
            given_up: GivenUp::of(&sender),
            life: Some(sender.life.begin()),
            sender,
            idle,
        }
    }

    /// The connection has switched protocols. It ends as its new users say.
    pub(super) fn switched(mut self) {
        self.given_up.0 = None;
    }

    /// The response has ended: the connection goes back as soon as hyper is done with it.
    pub(super) fn finish(mut self) {
        self.given_up.0 = None;
        self.life = None;
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
        // Its request has not ended.
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
