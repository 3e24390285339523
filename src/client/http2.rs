//! HTTP/2: one connection for all.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{self, BoxFuture, Either, FutureExt, WeakShared, select};
use http::{Request, Response};
use hyper::client::conn::http2::SendRequest;

use super::body::{RequestBody, ResponseBody};
use super::error::Error;
use super::idle::Lease;
use super::io::Gone;

/// The connection, for one request.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    send: SendRequest<RequestBody>,
    gone: Gone,
}

/// Why there is no answer.
pub(super) enum Failed {
    /// Its connection was closing. Here is the request, for another.
    Unsent(Box<Request<RequestBody>>, Error),
    Sent(Error),
}

impl Sender {
    pub(super) fn new(send: SendRequest<RequestBody>, gone: Gone) -> Self {
        Self { send, gone }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// hyper 1.12 can leave a request that met the connection's end without any answer. When the
    /// socket is gone all streams on it have been told so, and whoever still has no answer gets none.
    pub(super) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let answer = pin!(self.send.try_send_request(request));
        let answer = match select(answer, self.gone).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right((_, answer)) => answer.now_or_never(),
        };
        match answer {
            Some(Ok(answer)) => Ok(answer.map(ResponseBody::http2)),
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
    state: Mutex<State>,
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
    pub(super) fn adopt(&self, sender: Sender) -> Sender {
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
