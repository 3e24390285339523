//! The cheapest correct copy, written by hand for one case. It clones the method, the URI and the
//! headers, copies small frames and shares large ones, and uses one permit, one task and one timer.
//!
//! It rewrites and marks nothing by default, counts nothing, and cannot be controlled.

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header::HOST};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower::Service;

use super::{body::Frames, services::Reader};

const MAX_IN_FLIGHT: u32 = 128;
const TIMEOUT: Duration = Duration::from_secs(5);
const SHARED_FROM: usize = 8 << 10;

#[derive(Clone)]
pub struct Floor<S> {
    primary: S,
    permits: Arc<Semaphore>,
    marks: bool,
}

impl<S> Floor<S> {
    pub fn new(primary: S) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT as usize));
        Self {
            primary,
            permits,
            marks: false,
        }
    }

    /// With the two headers that a copy must also have: another host, and a mark.
    pub fn marking(self) -> Self {
        Self {
            marks: true,
            ..self
        }
    }

    pub fn permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.permits)
    }
}

/// Waits until no copy is left.
pub async fn idle(permits: &Semaphore) {
    let _all = permits.acquire_many(MAX_IN_FLIGHT).await;
}

/// Copies the frames that are read, and sends the copy when it is complete.
pub struct FloorBody<B> {
    inner: B,
    copy: Option<(Request<()>, OwnedSemaphorePermit)>,
    marks: bool,
    frames: VecDeque<Bytes>,
}

impl<S, B> Service<Request<B>> for Floor<S>
where
    S: Service<Request<FloorBody<B>>>,
    B: Body<Data = Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.primary.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let copy = permit.and_then(|permit| {
            let mut copy = Request::new(());
            copy.method_mut().clone_from(request.method());
            copy.uri_mut().clone_from(request.uri());
            copy.headers_mut().clone_from(request.headers());
            if request.body().is_end_stream() {
                send(copy, VecDeque::new(), permit, self.marks);
                return None;
            }
            Some((copy, permit))
        });
        self.primary.call(request.map(|inner| FloorBody {
            inner,
            copy,
            marks: self.marks,
            frames: VecDeque::new(),
        }))
    }
}

fn send(copy: Request<()>, frames: VecDeque<Bytes>, permit: OwnedSemaphorePermit, marks: bool) {
    let mut copy = copy.map(|()| Frames::new(frames));
    tokio::spawn(async move {
        let _permit = permit;
        if marks {
            mark(copy.headers_mut());
        }
        let exchange = async {
            let Ok(answer) = Reader.call(copy).await;
            let mut body = pin!(answer.into_body());
            while let Some(Ok(_)) = body.frame().await {}
        };
        let _ = timeout(TIMEOUT, exchange).await;
    });
}

/// They are known beforehand, which is the cheapest way.
fn mark(headers: &mut HeaderMap) {
    const SHADOW: HeaderValue = HeaderValue::from_static("catalog-shadow:8000");
    const NAME: HeaderName = HeaderName::from_static("x-mirrored-by");
    headers.insert(HOST, SHADOW);
    headers.insert(NAME, HeaderValue::from_static("mirror"));
}

impl<B: Body<Data = Bytes> + Unpin> Body for FloorBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &polled {
            Some(Err(_)) => self.copy = None,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.frames.push_back(if data.len() < SHARED_FROM {
                        Bytes::copy_from_slice(data)
                    } else {
                        data.clone()
                    });
                }
            }
            None => {}
        }
        if polled.is_none() || self.inner.is_end_stream() {
            if let Some((copy, permit)) = self.copy.take() {
                let frames = std::mem::take(&mut self.frames);
                send(copy, frames, permit, self.marks);
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
