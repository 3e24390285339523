//! The addresses of a target's name: looked up once at a time for all dials, and kept for a while.
//!
//! A lookup is a shared future. Each dial that waits for it drives it, and so does a task of its own, which outlives a
//! dial whose time is over: a runtime that is not driven holds nobody up. Where the runtime of that task shuts down,
//! the lookup ends without an answer, since what it waits for may belong to that runtime, and the next dial starts
//! another one.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Shared, select};
use hyper_util::client::legacy::connect::dns::Name;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower_service::Service;

use super::error::{Unresolved, into_io};
use super::resolver::Resolver;

/// While addresses are younger than this they are not looked up again.
const FRESH: Duration = Duration::from_secs(5);
/// While they are younger than this they are used if a lookup is under way or failed. A single packet that is lost on its
/// way to the name server would otherwise stop all dials for seconds.
const USABLE: Duration = Duration::from_secs(60);
/// The pause after a lookup that failed. It doubles with each further failure, up to [`FRESH`].
const PAUSE: Duration = Duration::from_secs(1);
/// A lookup that takes longer than this is stopped by the next dial, which then starts another.
const LONGEST: Duration = Duration::from_secs(30);
/// How many lookups one dial may start or join. More than one end without an answer only if runtimes shut down.
const ATTEMPTS: usize = 3;

type Answer = Result<Arc<[SocketAddr]>, Unresolved>;
/// `None` if it was stopped.
type Flight = Shared<BoxFuture<'static, Option<Answer>>>;

/// The resolver that a [`HttpConnector`](hyper_util::client::legacy::connect::HttpConnector) asks, for one target.
#[derive(Clone)]
pub(super) struct Lookup(Arc<OneName>);

/// A target has one name, so there is nothing to look up by.
struct OneName {
    resolver: Resolver,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<(Arc<[SocketAddr]>, Instant)>,
    failed: Option<Failed>,
    /// Until it has ended, by itself or because it was stopped.
    under_way: Option<UnderWay>,
}

struct Failed {
    error: Unresolved,
    until: Instant,
    pause: Duration,
}

struct UnderWay {
    flight: Flight,
    since: Instant,
    /// The lookup is stopped when this is dropped.
    wanted: Option<oneshot::Sender<Infallible>>,
}

impl Lookup {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self(Arc::new(OneName {
            resolver,
            state: Mutex::default(),
        }))
    }
}

impl OneName {
    async fn addresses(self: Arc<Self>, name: Name) -> Answer {
        for _ in 0..ATTEMPTS {
            match self.ask(&name)? {
                Either::Left(known) => return Ok(known),
                Either::Right(flight) => {
                    if let Some(answer) = flight.await {
                        return answer;
                    }
                }
            }
        }
        Err(Unresolved::new("the runtime is shutting down"))
    }

    /// What is known, or else the lookup to wait for, which this starts if there is none.
    fn ask(self: &Arc<Self>, name: &Name) -> Result<Either<Arc<[SocketAddr]>, Flight>, Unresolved> {
        let runtime = Handle::try_current().map_err(Unresolved::new)?;
        let now = Instant::now();
        let (mut task, mut stopped) = (None, None);

        let mut state = self.lock();
        let State {
            known,
            failed,
            under_way,
        } = &mut *state;
        let known = match known {
            Some((addresses, since)) => match now.saturating_duration_since(*since) {
                age if age < FRESH => return Ok(Either::Left(addresses.clone())),
                age if age < USABLE => Some(addresses.clone()),
                _ => None,
            },
            None => None,
        };
        let flight = match (&mut *under_way, failed) {
            (Some(joined), _) => {
                if now.saturating_duration_since(joined.since) >= LONGEST {
                    stopped = joined.wanted.take();
                }
                Ok(joined.flight.clone())
            }
            (None, Some(failed)) if now < failed.until => Err(failed.error.clone()),
            (None, _) => {
                let (started, drive) = self.start(name, now);
                let flight = started.flight.clone();
                *under_way = Some(started);
                task = Some(drive);
                Ok(flight)
            }
        };
        drop(state);

        // What follows may run the code of others, which must not happen under the lock.
        drop(stopped);
        if let Some(task) = task {
            runtime.spawn(task);
        }
        match known {
            Some(addresses) => Ok(Either::Left(addresses)),
            None => flight.map(Either::Right),
        }
    }

    /// A lookup, and what drives it when no dial does. Nothing of the resolver runs before it is polled.
    fn start(
        self: &Arc<Self>,
        name: &Name,
        now: Instant,
    ) -> (
        UnderWay,
        impl Future<Output = Option<Answer>> + Send + use<>,
    ) {
        let (driven, abandoned) = oneshot::channel::<Infallible>();
        let (wanted, unwanted) = oneshot::channel::<Infallible>();
        let (owner, resolver, name) = (Arc::downgrade(self), self.resolver.clone(), name.clone());
        let flight = async move {
            let resolving = async {
                // In this order: what belongs to a runtime that is gone is no longer polled.
                let stopped = select(abandoned, unwanted);
                match select(stopped, pin!(resolver.resolve(name))).await {
                    Either::Left(_) => None,
                    Either::Right((resolved, _)) => Some(resolved),
                }
            };
            let answer = match AssertUnwindSafe(resolving).catch_unwind().await {
                Ok(None) => None,
                Ok(Some(Ok(none))) if none.is_empty() => Some(Err(Unresolved::new(
                    io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
                ))),
                Ok(Some(Ok(addresses))) => Some(Ok(addresses.into())),
                Ok(Some(Err(error))) => Some(Err(Unresolved::new(error))),
                Err(_) => Some(Err(Unresolved::new("the resolver panicked"))),
            };
            if let Some(owner) = owner.upgrade() {
                owner.settle(answer.as_ref());
            }
            answer
        };
        let flight = flight.boxed().shared();
        let drive = flight.clone().inspect(move |_| drop(driven));
        let under_way = UnderWay {
            flight,
            since: now,
            wanted: Some(wanted),
        };
        (under_way, drive)
    }

    /// Ends the lookup that is under way, without an answer if it was stopped.
    fn settle(&self, answer: Option<&Answer>) {
        let now = Instant::now();
        let mut state = self.lock();
        let ended = state.under_way.take();
        let failed = match answer {
            None => None,
            Some(Ok(addresses)) => {
                state.known = Some((addresses.clone(), now));
                state.failed.take()
            }
            Some(Err(error)) => {
                let last = state.failed.as_ref().map(|failed| failed.pause);
                let pause = last.map_or(PAUSE, |last| FRESH.min(last * 2));
                state.failed.replace(Failed {
                    error: error.clone(),
                    until: now + pause,
                    pause,
                })
            }
        };
        drop(state);
        drop((ended, failed));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<Name> for Lookup {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<vec::IntoIter<SocketAddr>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.0.clone().addresses(name);
        let addresses = addresses.map(|answer| match answer {
            Ok(addresses) => Ok(Vec::from(&*addresses).into_iter()),
            Err(error) => Err(into_io(error)),
        });
        addresses.boxed()
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.0.resolver).finish()
    }
}
