//! HTTP/2: one connection for all.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, Either, FutureExt, WeakShared, select};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::client::conn::http2::SendRequest;
use tokio::runtime::Handle;

use super::body::{RequestBody, ResponseBody};
use super::connect::Settings;
use super::error::Error;
use super::idle::Lease;
use super::io::Gone;
use super::life::{Life, Use};
use super::response::{self, HeadLimit};
use super::upload::{Upload, Using, UsingId, watch};

/// The connection, for one request.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    send: SendRequest<RequestBody>,
    gone: Gone,
    using: Using,
    limit: Duration,
    state: Weak<Mutex<State>>,
    unanswered: Arc<AtomicUsize>,
    life: Life,
    /// Whether an idempotent request is sent again that met the end of the connection.
    retry: bool,
    max_head: HeadLimit,
}

/// So many requests in a row that were dropped without an answer mean that the peer does not answer any more.
const MOST_UNANSWERED: usize = 3;

/// Why there is no answer.
pub(super) enum Failed {
    /// The server has not processed it. Here is the request, for another connection.
    Unprocessed(Box<Unprocessed>),
    Sent(Error),
}

pub(super) struct Unprocessed {
    pub(super) request: Request<RequestBody>,
    pub(super) error: Error,
    /// Whether the server refused the request, as one does that is overloaded, or may have processed it.
    pub(super) is_repeated: bool,
}

/// How long the answers that have arrived on a connection may take to reach those who wait for them once its socket is
/// gone. hyper delivers them by tasks of their own.
const LATE: Duration = Duration::from_secs(1);

impl Sender {
    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// hyper 1.12 can leave a request that met the connection's end without any answer. When the
    /// socket is gone all streams on it have ended, and what has arrived is delivered soon.
    pub(super) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let (head, body) = request.into_parts();
        // As over HTTP/1.1, its connection may have been ending when it was sent; and hyper can lose an answer that
        // arrives together with the end of its connection.
        let has_upload = !body.is_end_stream();
        let may_repeat = self.retry && head.method.is_idempotent() && !has_upload;
        let (upload, body) = watch(body);
        let mut exchange = Exchange {
            upload: Some(upload),
            using: self.using,
            limit: self.limit,
            state: self.state,
            unanswered: Some(self.unanswered),
            _life: self.life.begin(),
        };
        let request = Request::from_parts(head.clone(), body);
        let answer = pin!(self.send.try_send_request(request));
        let answer = match select(answer, self.gone).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right((_, answer)) => tokio::time::timeout(LATE, answer).await.ok(),
        };
        let (verdict, error) = match answer {
            Some(Ok(mut answer)) => {
                exchange.answered();
                response::fit(answer.headers_mut(), Version::HTTP_2, self.max_head)
                    .map_err(Failed::Sent)?;
                return Ok(answer.map(|body| ResponseBody::http2(body, exchange)));
            }
            Some(Err(mut failed)) => {
                // hyper gives back what it did not send, in the body that was made for this connection.
                let is_unsent = failed.take_message().is_some();
                let error = failed.into_error();
                let verdict = match is_unsent {
                    true => Verdict::Unsent,
                    false => verdict(&error),
                };
                (verdict, Error::transport(error))
            }
            None => (Verdict::Lost, Error::closed()),
        };
        let is_again = match verdict {
            Verdict::Unknown => false,
            Verdict::Lost => may_repeat,
            Verdict::Dropped => may_repeat || has_upload,
            Verdict::Unsent | Verdict::Refused | Verdict::GoneAway => true,
        };
        if verdict != Verdict::Unknown {
            exchange.retire();
        }
        if !is_again {
            return Err(Failed::Sent(error));
        }
        match exchange.returned().await {
            // The stream was open.
            Some(RequestBody::Again(again))
                if verdict == Verdict::Dropped && !again.read.is_empty() =>
            {
                Err(Failed::Sent(error))
            }
            Some(body) => Err(Failed::Unprocessed(Box::new(Unprocessed {
                request: Request::from_parts(head, body),
                error,
                is_repeated: matches!(verdict, Verdict::Refused | Verdict::Lost),
            }))),
            None => Err(Failed::Sent(error)),
        }
    }
}

/// What is known of a request that failed (RFC 9113, section 8.7).
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Unknown,
    Unsent,
    /// The connection has ended without a word about it.
    Lost,
    /// hyper has dropped it. So it does with a request that still waits for its stream when the server goes away. It
    /// reads the body of a request when the stream is open.
    Dropped,
    /// Refused before it was processed.
    Refused,
    /// Above the last stream of a `GOAWAY`.
    GoneAway,
}

fn verdict(error: &hyper::Error) -> Verdict {
    let source = std::error::Error::source(error);
    // hyper unwraps the errors of the socket.
    if source.is_some_and(|source| source.is::<std::io::Error>()) {
        return Verdict::Lost;
    }
    match source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        Some(error) if error.is_go_away() && error.is_remote() => Verdict::GoneAway,
        Some(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Verdict::Refused,
        Some(error) if error.is_io() => Verdict::Lost,
        None if error.is_canceled() || error.is_closed() => Verdict::Lost,
        None if error.is_user() => Verdict::Dropped,
        _ => Verdict::Unknown,
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
    /// `None` once it is answered.
    unanswered: Option<Arc<AtomicUsize>>,
    _life: Use,
}

impl Exchange {
    fn answered(&mut self) {
        if let Some(unanswered) = self.unanswered.take() {
            unanswered.store(0, Relaxed);
        }
        if let Some(upload) = &mut self.upload {
            upload.answered();
        }
    }

    /// The connection takes no more requests.
    fn retire(&self) {
        if let Some(state) = self.state.upgrade() {
            retire(&state, self.using.id());
        }
    }

    /// The body as it was.
    async fn returned(mut self) -> Option<RequestBody> {
        self.unanswered = None;
        self.upload.take()?.returned().await
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(unanswered) = self.unanswered.take() {
            if unanswered.fetch_add(1, Relaxed) + 1 >= MOST_UNANSWERED {
                self.retire();
            }
        }
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
        life: Life,
        settings: &Settings,
    ) -> Sender {
        let sender = Sender {
            unanswered: Arc::default(),
            life,
            send,
            gone,
            using,
            limit: settings.write_timeout,
            retry: settings.retry,
            max_head: settings.max_response_head,
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
        let made = self.made.as_ref()?;
        let is_open = !made.is_closed() && !made.life.is_over();
        is_open.then(|| made.clone())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("made", &self.lock().made.is_some())
            .finish_non_exhaustive()
    }
}
