//! HTTP/2: one connection for all.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, Either, FutureExt, Shared, WeakShared, select};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::SendRequest;

use super::body::{RequestBody, ResponseBody};
use super::connect::Connector;
use super::error::Error;
use super::io::Gone;

/// The connection, for one request.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    send: SendRequest<RequestBody>,
    gone: Gone,
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
            let made = made.map(|(send, gone)| Sender { send, gone });
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
            let mut failed = match sender.try_send(request).await {
                Sent::Answered(response) => return Ok(response.map(ResponseBody::http2)),
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
