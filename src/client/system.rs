//! The resolver of the system, on threads of its own.
//!
//! `getaddrinfo` blocks, for ten seconds and more when no name server answers, and cannot be cancelled. On the pool that
//! the runtime has for blocking work, such lookups would take the threads that the primary needs, and the runtime could
//! not shut down before they end. A thread for each lookup costs little, since there are few: one at a time for each
//! name, however many targets have that name.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;

use crate::BoxError;

type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;
type Asked = Shared<oneshot::Receiver<Answer>>;

/// The lookups of the process that have not ended, by name.
static UNDER_WAY: Mutex<BTreeMap<String, Asked>> = Mutex::new(BTreeMap::new());

fn under_way() -> MutexGuard<'static, BTreeMap<String, Asked>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) async fn resolve(host: &str) -> Result<Vec<SocketAddr>, BoxError> {
    match ask(host)?.await {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(io::Error::new(error.kind(), error).into()),
        Err(_) => Err("the thread of the lookup panicked".into()),
    }
}

/// Joins the lookup of this name that is under way, or starts one.
fn ask(host: &str) -> io::Result<Asked> {
    let mut under_way = under_way();
    if let Some(asked) = under_way.get(host) {
        return Ok(asked.clone());
    }
    let (answer, asked) = oneshot::channel();
    let asked = asked.shared();
    let entry = host.to_owned();
    let work = move || {
        let entry = Entry(entry);
        let addresses = (&*entry.0, 0).to_socket_addrs();
        drop(entry);
        let _ = answer.send(addresses.map(Iterator::collect).map_err(Arc::new));
    };
    thread::Builder::new()
        .name("mirror-lookup".into())
        .spawn(work)?;
    // The thread cannot have removed it yet: the table is locked.
    under_way.insert(host.to_owned(), asked.clone());
    Ok(asked)
}

/// Removes the lookup of its name from the table, even where the thread panics.
struct Entry(String);

impl Drop for Entry {
    fn drop(&mut self) {
        let ended = under_way().remove(&self.0);
        drop(ended); // without the lock, which the line above has released
    }
}
