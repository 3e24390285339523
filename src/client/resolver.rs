//! The resolver of a target's name: the resolver of the system, or a service of the user.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io, thread};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::oneshot;
use tower_service::Service;

use crate::BoxError;

/// The most addresses of each family that are used. A dial shares its time among them, and with very short shares none
/// of them would be reached.
const MOST: usize = 4;

#[derive(Clone, Default)]
pub(super) enum Resolver {
    #[default]
    System,
    /// The type of the service is erased, so that a target is one type with every resolver.
    Service(Arc<dyn Fn(Name) -> BoxFuture<'static, Resolved> + Send + Sync>),
}

type Resolved = Result<Vec<SocketAddr>, BoxError>;

impl Resolver {
    pub(super) fn new<R>(resolver: R) -> Self
    where
        R: Service<Name> + Clone + Send + Sync + 'static,
        R::Response: Iterator<Item = SocketAddr>,
        R::Error: Into<BoxError>,
        R::Future: Send,
    {
        Self::Service(Arc::new(move |name| {
            let mut resolver = resolver.clone();
            let resolved = async move {
                let ready = poll_fn(|cx| resolver.poll_ready(cx)).await;
                ready.map_err(Into::into)?;
                let addresses = resolver.call(name).await.map_err(Into::into)?;
                Ok(few(addresses))
            };
            resolved.boxed()
        }))
    }

    pub(super) async fn resolve(&self, name: Name) -> Resolved {
        match self {
            Self::System => Ok(few(by_system(name.as_str()).await?)),
            Self::Service(service) => service(name).await,
        }
    }
}

/// The first addresses of each family, in the order in which they came.
fn few(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut left = [MOST; 2];
    let is_one_of_the_first = |address: &SocketAddr| {
        let left = &mut left[usize::from(address.is_ipv6())];
        let is_one = *left > 0;
        *left = left.saturating_sub(1);
        is_one
    };
    let addresses = addresses.into_iter();
    addresses.filter(is_one_of_the_first).collect()
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Service(_) => "Service",
        })
    }
}

type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;
type Asked = Shared<oneshot::Receiver<Answer>>;

/// The lookups of the process that have not ended, by name.
static UNDER_WAY: Mutex<BTreeMap<String, Asked>> = Mutex::new(BTreeMap::new());

fn under_way() -> MutexGuard<'static, BTreeMap<String, Asked>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the resolver of the system, on a thread of its own.
///
/// `getaddrinfo` blocks, for ten seconds and more when no name server answers, and cannot be cancelled. On the threads that
/// the runtime has for blocking work, such lookups would delay the work of the primary and the shutdown of the
/// runtime. One thread for each lookup costs little, since there is one lookup at a time for each name, however many targets
/// have that name.
async fn by_system(host: &str) -> Result<Vec<SocketAddr>, BoxError> {
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
    // The thread cannot have removed the entry yet, since the table is locked.
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
