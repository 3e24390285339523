//! HTTP/2: one connection for all.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, Either, FutureExt, WeakShared, select};
use http::{Request, Response};
use hyper::client::conn::http2::SendRequest;
use tokio::runtime::Handle;

use super::body::{RequestBody, ResponseBody};
use super::error::Error;
use super::idle::Lease;
use super::io::Gone;
use super::upload::{Upload, Using, UsingId, watch};

/// The connection, for one request.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    send: SendRequest<RequestBody>,
    gone: Gone,
    using: Using,
    limit: Duration,
    state: Weak<Mutex<State>>,
}

/// Why there is no answer.
pub(super) enum Failed {
    /// Its connection was closing. Here is the request, for another.
    Unsent(Box<Request<RequestBody>>, Error),
    Sent(Error),
}

impl Sender {
    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// hyper 1.12 can leave a request that met the connection's end without any answer. When the
    /// socket is gone all streams on it have been told so, and whoever still has no answer gets none.
    pub(super) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let (head, body) = request.into_parts();
        let (upload, body) = watch(body);
        let exchange = Exchange {
            upload: Some(upload),
            using: self.using,
            limit: self.limit,
            state: self.state,
        };
        let request = Request::from_parts(head, body);
        let answer = pin!(self.send.try_send_request(request));
        let answer = match select(answer, self.gone).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right((_, answer)) => answer.now_or_never(),
        };
        match answer {
            Some(Ok(answer)) => Ok(answer.map(|body| ResponseBody::http2(body, exchange))),
            Some(Err(mut failed)) => Err(match failed.take_message() {
                Some(request) => {
                    Failed::Unsent(Box::new(request), Error::transport(failed.into_error()))
                }
                None => Failed::Sent(Error::transport(failed.into_error())),
            }),
            None => Err(Failed::Sent(Error::closed())),
        }
    }
}

/// A request and its answer. Its drop is their end, whatever hyper still has of the request.
///
/// hyper goes on to offer that to a peer that gives no window for it, or does not admit its stream, for as long as the
/// connection lives. So such a connection gets no more requests, and ends with the last that it has.
#[derive(Debug)]
pub(super) struct Exchange {
    upload: Option<Upload>,
    using: Using,
    limit: Duration,
    state: Weak<Mutex<State>>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if upload.is_over() {
            return;
        }
        let (limit, state, using) = (self.limit, self.state.clone(), self.using.id());
        runtime.spawn(async move {
            if upload.gets_stuck(limit).await {
                if let Some(state) = state.upgrade() {
                    retire(&state, using);
                }
            }
        });
    }
}

/// Whoever wants a connection next gets another than `using`.
fn retire(state: &Mutex<State>, using: UsingId) {
    let mut state = lock(state);
    let retired = match &state.made {
        Some(made) if made.using.id() == using => state.made.take(),
        _ => None,
    };
    drop(state);
    drop(retired);
}

/// What a dial that many wait for has come to.
#[derive(Clone)]
pub(super) enum Made {
    Http2(Sender),
    /// The server speaks HTTP/1.1: for the first who takes it.
    Http1(Arc<Mutex<Option<Lease>>>),
}

pub(super) type Dial = BoxFuture<'static, Result<Made, Error>>;

/// The one connection, and the one dial for it.
///
/// Not hyper-util's `Singleton` (as of 0.1.21): there, whoever finds the connection closed also throws away one being made by others,
/// who then panic, and a waiter that is not polled holds up the rest.
#[derive(Default)]
pub(super) struct Shared {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    made: Option<Sender>,
    /// The dial in progress belongs to those who wait for it: it is dropped with the last of them.
    making: Option<WeakShared<Dial>>,
}

impl Made {
    pub(super) fn http1(lease: Lease) -> Self {
        Self::Http1(Arc::new(Mutex::new(Some(lease))))
    }
}

impl Shared {
    /// The open connection.
    pub(super) fn open(&self) -> Option<Sender> {
        self.lock().open()
    }

    /// The open connection, else the one being made, else the one that `make` makes.
    pub(super) fn open_or_make(
        &self,
        make: impl FnOnce() -> Dial,
    ) -> Result<Sender, future::Shared<Dial>> {
        let mut state = self.lock();
        if let Some(made) = state.open() {
            return Ok(made);
        }
        let making = state.making.as_ref().and_then(WeakShared::upgrade);
        Err(making.unwrap_or_else(|| {
            let making = make().shared();
            state.making = making.downgrade();
            making
        }))
    }

    /// A new connection is the one for all, unless there is one.
    pub(super) fn adopt(
        &self,
        send: SendRequest<RequestBody>,
        gone: Gone,
        using: Using,
        limit: Duration,
    ) -> Sender {
        let sender = Sender {
            send,
            gone,
            using,
            limit,
            state: Arc::downgrade(&self.state),
        };
        let mut state = self.lock();
        let closed = match state.open() {
            Some(open) => {
                drop(state);
                return open;
            }
            None => state.made.replace(sender.clone()),
        };
        drop(state);
        drop(closed);
        sender
    }

    /// The dial has ended.
    pub(super) fn ended(&self) {
        self.lock().making = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn open(&self) -> Option<Sender> {
        self.made.as_ref().filter(|made| !made.is_closed()).cloned()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("made", &self.open().is_some())
            .finish_non_exhaustive()
    }
}
