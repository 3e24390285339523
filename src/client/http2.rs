//! HTTP/2: requests share a connection, and another one is dialled when the server admits no more requests on it.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, Either, FutureExt, WeakShared, select};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::runtime::Handle;

use super::ending::{Ending, Reader};
use super::error::{Error, Verdict};
use super::idle::Lease;
use super::life::{Life, MaxStreams, Use};
use super::response;
use super::settings::Settings;
use super::upload::{RequestBody, Upload, Using, UsingId, watch};
use crate::guard::unpoisoned;
use crate::time::within;

/// The connection, as one request uses it.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    send: SendRequest<RequestBody>,
    using: Using,
    max_streams: MaxStreams,
    life: Life,
    ending: Ending,
    unanswered: Arc<AtomicUsize>,
    /// The connections among which it is shared.
    state: Weak<Mutex<State>>,
}

/// When this many requests in a row were dropped without a response, the peer is taken to be dead.
const MOST_UNANSWERED: usize = 3;

/// Why a request has no response.
pub(super) enum Failed {
    /// The server has not processed the request. It can be sent on another connection.
    Unprocessed(Box<Unprocessed>),
    Sent(Error),
}

pub(super) struct Unprocessed {
    pub(super) request: Request<RequestBody>,
    pub(super) error: Error,
    /// Whether the server refused the request, as an overloaded server does, or may have processed it.
    pub(super) is_repeated: bool,
}

/// How long the responses that have arrived on a connection may take to reach their callers once the connection has ended.
/// hyper delivers them by separate tasks.
const LATE: Duration = Duration::from_secs(1);

impl Sender {
    /// A connection that was just dialled, and is not shared yet.
    pub(super) fn new(
        send: SendRequest<RequestBody>,
        using: Using,
        max_streams: MaxStreams,
        life: Life,
        ending: Ending,
    ) -> Self {
        Self {
            send,
            using,
            max_streams,
            life,
            ending,
            unanswered: Arc::default(),
            state: Weak::new(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed() || self.ending.has_begun()
    }

    fn may_serve(&self) -> bool {
        !self.is_closed() && !self.life.is_over()
    }

    /// Whether it has as many requests as the server admits. A caller that was promised the connection counts, too.
    fn is_full(&self) -> bool {
        self.using.others() >= self.max_streams.get()
    }

    /// hyper 1.12 can leave a request without any answer when its connection ends. Nothing more arrives then, and
    /// what has arrived is delivered soon.
    pub(super) async fn send(
        mut self,
        request: Request<RequestBody>,
        settings: &Settings,
    ) -> Result<(Response<Incoming>, Exchange), Failed> {
        let (head, body) = request.into_parts();
        // As over HTTP/1.1, the connection may have been ending when the request was sent. hyper can also lose a response that
        // arrives together with the end of the connection.
        let may_repeat = settings.retry && head.method.is_idempotent() && body.is_end_stream();
        let reader = Reader::new(&self.ending);
        let (upload, body) = watch(body, reader.track());
        let mut exchange = Exchange {
            upload: Some(upload),
            using: self.using,
            limit: settings.write_timeout,
            state: self.state,
            unanswered: Some(self.unanswered),
            reader,
            _life: self.life.begin(),
        };
        let request = Request::from_parts(head.clone(), body);
        // At the end of this block hyper learns that the caller no longer waits for the response.
        let answer = {
            let answer = pin!(self.send.try_send_request(request));
            match select(answer, self.ending.begins()).await {
                Either::Left((answer, _)) => Some(answer),
                Either::Right(_) if exchange.reader.is_unsent() => None,
                Either::Right((_, answer)) => within(LATE, answer).await,
            }
        };
        let (verdict, error) = match answer {
            Some(Ok(mut answer)) => {
                exchange.answered();
                let limit = settings.max_response_head;
                response::fit(answer.headers_mut(), Version::HTTP_2, limit)
                    .map_err(Failed::Sent)?;
                return Ok((answer, exchange));
            }
            Some(Err(mut failed)) => {
                // hyper returns a request that it did not send.
                let is_unsent = failed.take_message().is_some() || exchange.reader.is_unsent();
                let error = failed.into_error();
                // Nor did it send one that still waits for its stream when the connection ends. It drops this one.
                let was_waiting = error.is_user() && exchange.reader.was_waiting();
                let verdict = match is_unsent || was_waiting {
                    true => Verdict::Unsent,
                    false => Verdict::of(&error),
                };
                (verdict, Error::transport(error))
            }
            None if exchange.reader.is_unsent() => (Verdict::Unsent, Error::closed()),
            None => (Verdict::Lost, Error::closed()),
        };
        let is_again = match verdict {
            Verdict::Unknown => false,
            Verdict::Lost => may_repeat,
            Verdict::Unsent | Verdict::Refused | Verdict::GoneAway => true,
        };
        if verdict != Verdict::Unknown {
            exchange.retire();
        }
        if !is_again {
            return Err(Failed::Sent(error));
        }
        match exchange.returned().await {
            Some(body) => Err(Failed::Unprocessed(Box::new(Unprocessed {
                request: Request::from_parts(head, body),
                error,
                is_repeated: matches!(verdict, Verdict::Refused | Verdict::Lost),
            }))),
            None => Err(Failed::Sent(error)),
        }
    }
}

/// A request and its response. Both have ended when this is dropped, whatever hyper still has of the request.
///
/// hyper keeps what it could not send of an aborted request for as long as the connection lives: the peer may give no window, or
/// not admit the stream. Such a connection gets no more requests, and ends after the last request that it has.
#[derive(Debug)]
pub(super) struct Exchange {
    upload: Option<Upload>,
    using: Using,
    limit: Duration,
    state: Weak<Mutex<State>>,
    /// `None` once the response has arrived.
    unanswered: Option<Arc<AtomicUsize>>,
    reader: Reader,
    _life: Use,
}

impl Exchange {
    fn answered(&mut self) {
        self.reader.reads();
        if let Some(unanswered) = self.unanswered.take() {
            unanswered.store(0, Relaxed);
        }
        if let Some(upload) = &mut self.upload {
            upload.answered();
        }
    }

    /// The body of the response was polled.
    pub(super) fn polled(&mut self, is_pending: bool, is_done: bool) {
        match (is_done, is_pending) {
            (true, _) => self.reader.is_done(),
            (false, true) => self.reader.waits(),
            (false, false) => self.reader.reads(),
        }
    }

    /// The connection gets no more requests.
    fn retire(&self) {
        if let Some(state) = self.state.upgrade() {
            retire(&state, self.using.id());
        }
    }

    /// The body of the request as it was before it was sent.
    async fn returned(mut self) -> Option<RequestBody> {
        self.unanswered = None;
        // hyper drops the body only when it sees the end of the connection, which must not wait for this request.
        self.reader.is_done();
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

/// The next request gets another connection than `using`.
fn retire(state: &Mutex<State>, using: UsingId) {
    let mut state = lock(state);
    let retired = state.open.iter().position(|open| open.using.id() == using);
    let retired = retired.map(|at| state.open.remove(at));
    drop(state);
    drop(retired);
}

/// The result of a dial that several callers wait for.
#[derive(Clone)]
pub(super) enum Made {
    Http2(Sender),
    /// The server selected HTTP/1.1. The first caller takes the connection.
    Http1(Arc<Mutex<Option<Lease>>>),
}

pub(super) type Dial = BoxFuture<'static, Result<Made, Error>>;

/// The open connections, and the one dial for another.
///
/// This is not the `Singleton` of hyper-util (as of 0.1.21). There, a caller that finds the connection closed also discards a
/// dial in progress, whose other callers then panic, and one caller that is not polled delays the others.
#[derive(Default)]
pub(super) struct Shared {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Vec<Sender>,
    /// The callers that wait for the dial own it. It is dropped with the last of them.
    making: Option<WeakShared<Dial>>,
}

impl Made {
    pub(super) fn http1(lease: Lease) -> Self {
        Self::Http1(Arc::new(Mutex::new(Some(lease))))
    }
}

impl Shared {
    /// An open connection that is not full.
    pub(super) fn open(&self) -> Option<Sender> {
        let mut state = self.lock();
        let closed = state.take_closed();
        let free = state.free();
        drop(state);
        drop(closed);
        free
    }

    /// The open connection with the fewest requests, also if it is full.
    pub(super) fn least_used(&self) -> Option<Sender> {
        self.lock().least_used()
    }

    /// An open connection that is not full; otherwise the dial in progress, or the one that `make` starts. If there may not be
    /// another connection, a full one.
    pub(super) fn open_or_make(
        &self,
        may_make: bool,
        make: impl FnOnce() -> Dial,
    ) -> Result<Sender, future::Shared<Dial>> {
        let mut state = self.lock();
        let closed = state.take_closed();
        let making = state.making.as_ref().and_then(WeakShared::upgrade);
        let found = match (state.free(), making) {
            (Some(free), _) => Ok(free),
            (None, Some(making)) => Err(making),
            (None, None) => match state.least_used() {
                Some(full) if !may_make => Ok(full),
                _ => {
                    let making = make().shared();
                    state.making = making.downgrade();
                    Err(making)
                }
            },
        };
        drop(state);
        drop(closed);
        found
    }

    /// Shares a new connection. Unless `is_wanted`, a free one is returned instead if there is one.
    pub(super) fn adopt(&self, mut sender: Sender, is_wanted: bool) -> Sender {
        sender.state = Arc::downgrade(&self.state);
        let mut state = self.lock();
        let closed = state.take_closed();
        let shared = match state.free() {
            Some(free) if !is_wanted => free,
            _ => {
                state.open.push(sender.clone());
                sender.clone()
            }
        };
        drop(state);
        drop((closed, sender));
        shared
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
    unpoisoned(state.lock())
}

impl State {
    /// Removes the connections that may serve no more requests. They are dropped without the lock.
    fn take_closed(&mut self) -> Vec<Sender> {
        if self.open.iter().all(Sender::may_serve) {
            return Vec::new();
        }
        let open = std::mem::take(&mut self.open).into_iter();
        let (open, closed) = open.partition(Sender::may_serve);
        self.open = open;
        closed
    }

    /// The first that is not full, so that those that are not needed reach their idle timeout.
    fn free(&self) -> Option<Sender> {
        self.open.iter().find(|open| !open.is_full()).cloned()
    }

    fn least_used(&self) -> Option<Sender> {
        let open = self.open.iter();
        open.min_by_key(|open| open.using.others()).cloned()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("open", &self.lock().open.len())
            .finish_non_exhaustive()
    }
}
