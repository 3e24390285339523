//! HTTP/2: one connection for all.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, FutureExt, Shared, WeakShared, select};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::SendRequest;
use tokio::runtime::Handle;

use super::body::{RequestBody, ResponseBody};
use super::connect::Connector;
use super::error::Error;
use super::io::Gone;
use super::upload::{Upload, Using, UsingId, watch};

/// The connection, for one request.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    send: SendRequest<RequestBody>,
    gone: Gone,
    using: Using,
}

impl Sender {
    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// hyper 1.12 can leave a request that met the connection's end without any answer. When the
    /// socket is gone all streams on it have been told so, and whoever still has no answer gets none.
    async fn try_send(&mut self, request: Request<RequestBody>) -> Sent {
        let answer = pin!(self.send.try_send_request(request));
        match select(answer, self.gone.clone()).await {
            Either::Left((Ok(answer), _)) => Sent::Answered(answer),
            Either::Left((Err(failed), _)) => Sent::Failed(failed),
            Either::Right((_, answer)) => match answer.now_or_never() {
                Some(Ok(answer)) => Sent::Answered(answer),
                Some(Err(failed)) => Sent::Failed(failed),
                None => Sent::Forgotten,
            },
        }
    }
}

enum Sent {
    Answered(Response<Incoming>),
    Failed(TrySendError<Request<RequestBody>>),
    Forgotten,
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

type Dial = BoxFuture<'static, Result<Sender, Error>>;

/// Not hyper-util's `Singleton` (as of 0.1.21): there, whoever finds the connection closed also throws away one being made by others,
/// who then panic, and a waiter that is not polled holds up the rest.
pub(super) struct Pool {
    connector: Arc<Connector>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    made: Option<Sender>,
    /// The dial in progress belongs to those who wait for it: it is dropped with the last of them.
    making: Option<WeakShared<Dial>>,
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            state: Arc::default(),
        }
    }

    /// The open connection.
    pub(super) fn made(&self) -> Option<Sender> {
        lock(&self.state).open()
    }

    /// The open connection, else the one being made, else a new one.
    pub(super) async fn obtain(&self) -> Result<Sender, Error> {
        let making = {
            let mut state = lock(&self.state);
            if let Some(made) = state.open() {
                return Ok(made);
            }
            match state.making.as_ref().and_then(WeakShared::upgrade) {
                Some(making) => making,
                None => {
                    let making = self.make();
                    state.making = making.downgrade();
                    making
                }
            }
        };
        making.await
    }

    fn make(&self) -> Shared<Dial> {
        let (connector, state) = (self.connector.clone(), self.state.clone());
        let dial = async move {
            let made = connector.http2().await;
            let made = made.map(|(send, gone, using)| Sender { send, gone, using });
            let mut state = lock(&state);
            state.making = None;
            state.made = made.as_ref().ok().cloned();
            drop(state);
            made
        };
        dial.boxed().shared()
    }

    pub(super) async fn send(
        &self,
        mut sender: Sender,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Error> {
        let mut retried = false;
        loop {
            let (head, body) = request.into_parts();
            let (upload, body) = watch(body);
            let exchange = Exchange {
                upload: Some(upload),
                using: sender.using.clone(),
                limit: self.connector.settings.write_timeout,
                state: Arc::downgrade(&self.state),
            };
            let mut failed = match sender.try_send(Request::from_parts(head, body)).await {
                Sent::Answered(response) => {
                    return Ok(response.map(|body| ResponseBody::http2(body, exchange)));
                }
                Sent::Failed(failed) => failed,
                Sent::Forgotten => return Err(Error::closed()),
            };
            match failed.take_message() {
                Some(unsent) if !retried => request = unsent,
                _ => return Err(Error::transport(failed.into_error())),
            }
            retried = true;
            // The closed one is not open any more, so this is another.
            sender = self.obtain().await?;
        }
    }
}

impl State {
    fn open(&self) -> Option<Sender> {
        self.made.as_ref().filter(|made| !made.is_closed()).cloned()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("made", &self.made().is_some())
            .finish_non_exhaustive()
    }
}
