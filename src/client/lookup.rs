//! The addresses of a target's name: one lookup at a time for all dials, whose result is kept for a while.
//!
//! A lookup is a shared future. Each dial that waits for it polls it, so that a runtime that is not driven delays no other dial.
//! A separate task polls it too, and goes on when the time of the dials is over. When the runtime of that task shuts down,
//! the lookup ends without an answer, since it may wait for something of that runtime. The next dial then starts another one.

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

/// Addresses that are younger than this are not looked up again.
const FRESH: Duration = Duration::from_secs(5);
/// Addresses that are younger than this are used while a lookup is in progress, and when it failed. Otherwise one packet that is
/// lost on its way to the name server would stop all dials for seconds.
const USABLE: Duration = Duration::from_secs(60);
/// The pause after a lookup that failed. It doubles with each further failure, up to [`FRESH`].
const PAUSE: Duration = Duration::from_secs(1);
/// A lookup that takes longer than this is stopped by the next dial, which then starts another.
const LONGEST: Duration = Duration::from_secs(30);
/// How many lookups one dial may start or join. Several end without an answer only if several runtimes shut down.
const ATTEMPTS: usize = 3;

type Answer = Result<Arc<[SocketAddr]>, Unresolved>;
/// `None` if it was stopped.
type Flight = Shared<BoxFuture<'static, Option<Answer>>>;

/// The resolver that a [`HttpConnector`](hyper_util::client::legacy::connect::HttpConnector) asks, for one target.
#[derive(Clone)]
pub(super) struct Lookup(Arc<OneName>);

/// The state of the lookups of one target, which has one name.
struct OneName {
    resolver: Resolver,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<(Arc<[SocketAddr]>, Instant)>,
    failed: Option<Failed>,
    /// The lookup that has not ended yet, also when it was stopped.
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

    /// The known addresses, or the lookup to wait for, which this starts if there is none.
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

        // The lines below may run foreign code, and the lock must not be held then.
        drop(stopped);
        if let Some(task) = task {
            runtime.spawn(task);
        }
        match known {
            Some(addresses) => Ok(Either::Left(addresses)),
            None => flight.map(Either::Right),
        }
    }

    /// A lookup, and the task that polls it when no dial does. The resolver does not run before the first poll.
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
                // In this order, since a future of a runtime that has shut down must not be polled.
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
