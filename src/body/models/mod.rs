//! Models of the queue, run by loom: its writer, its reader and the exchange that owns it each run
//! on a separate thread.
//!
//! A lost wake-up appears as a deadlock. At the end, each model checks that no bytes of the budget
//! are charged, and that all bodies and queues have been dropped.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicUsize as Count, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use loom::{future::block_on, thread::JoinHandle};

mod queue;
mod rest;

use crate::{
    body::{
        Announced, Budget, CaptureOwner, LagWindow, Lost, PrimaryEnd, ShadowBody, TeeBody, Watch,
        begin_capture,
    },
    sync::Mutex,
};

/// A limit in bytes that none of these copies reaches.
const ENOUGH: usize = 1 << 20;

/// The client's side of a request's body. Any thread may use it.
#[derive(Clone)]
struct Client {
    sent: Arc<Mutex<Sent>>,
    /// The number of bodies that have not been dropped.
    bodies: Arc<Count>,
}

#[derive(Default)]
struct Sent {
    frames: VecDeque<&'static str>,
    is_ended: bool,
    reader: Option<Waker>,
}

impl Client {
    fn sending(frames: &[&'static str]) -> Self {
        let sent = Sent {
            frames: frames.iter().copied().collect(),
            ..Sent::default()
        };
        Self {
            sent: Arc::new(Mutex::new(sent)),
            bodies: Arc::default(),
        }
    }

    fn send(&self, frame: &'static str) {
        self.change(|sent| sent.frames.push_back(frame));
    }

    fn end(&self) {
        self.change(|sent| sent.is_ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Sent)) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sent);
        let reader = sent.reader.take();
        drop(sent);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn body(&self) -> Upload {
        self.bodies.fetch_add(1, SeqCst);
        Upload(self.clone())
    }
}

struct Upload(Client);

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut sent = self.0.sent.lock().unwrap_or_else(PoisonError::into_inner);
        match sent.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(frame.as_bytes()))))),
            None if sent.is_ended => Poll::Ready(None),
            None => {
                sent.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, SeqCst);
    }
}

/// The parts of one copy.
struct Parts {
    budget: Arc<Budget>,
    tee: TeeBody<Upload>,
    primary: PrimaryEnd,
    shadow: ShadowBody,
    watch: Watch,
    recording: CaptureOwner,
}

fn parts(client: &Client, declared: Option<u64>, live: Option<LagWindow>) -> Parts {
    let budget = Arc::new(Budget::new(ENOUGH));
    let mut announced = Announced::default();
    announced.length = declared;
    let (capture, recording) = begin_capture(&budget, announced, ENOUGH as u64, live);
    Parts {
        budget,
        tee: TeeBody::copied(client.body(), capture),
        primary: recording.primary(),
        shadow: ShadowBody::of(&recording),
        watch: recording.watch(),
        recording,
    }
}

/// Polls for this many frames and drops the body, which may or may not have ended.
fn read(mut body: TeeBody<Upload>, frames: usize) {
    for _ in 0..frames {
        block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)));
    }
}

/// Returns the bytes that the shadow reads, or `None` if its body ends in an error. The shadow's
/// client holds every frame until the end.
fn shadow_reads(mut body: ShadowBody) -> Option<String> {
    let mut held = Vec::new();
    while let Some(frame) = block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {
        held.push(frame.ok()?.into_data().ok()?);
    }
    Some(String::from_utf8_lossy(&held.concat()).into_owned())
}

fn captured(watch: &Watch) -> Result<u64, Lost> {
    block_on(poll_fn(|cx| watch.poll_captured(cx))).map(|captured| captured.bytes)
}

fn join<T>(thread: JoinHandle<T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Checks, once the capture has ended, that the request's body was dropped. The server may wait for
/// this.
fn assert_body_dropped(client: &Client) {
    assert_eq!(
        client.bodies.load(SeqCst),
        0,
        "the request's body was not dropped"
    );
}

/// Checks, once the primary and the exchange have ended, that no memory is charged and the
/// request's body was dropped. The shadow's client may still hold parts of the copy.
fn assert_nothing_charged(budget: &Budget, client: &Client) {
    assert_eq!(budget.used(), 0, "bytes of the budget are charged");
    assert_body_dropped(client);
}

/// Checks, once all parts are dropped, that nothing of the copy remains.
fn assert_nothing_left(budget: &Arc<Budget>, client: &Client) {
    assert_nothing_charged(budget, client);
    assert_eq!(Arc::strong_count(budget), 1, "the queue was not dropped");
}
