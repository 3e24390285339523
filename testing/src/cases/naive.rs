//! A mirror as people usually write it by hand: it collects the body into one piece, clones the parts, and
//! spawns a task. It has no bound and no deadline.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::Service;

use super::{body::Frames, services::Reader};

#[derive(Clone, Default)]
pub struct Naive {
    /// Used only by the measurement, which must know when a copy has ended.
    in_flight: Arc<AtomicUsize>,
}

impl Naive {
    /// Waits until no copy is left.
    pub async fn idle(&self) {
        while self.in_flight.load(Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }
}

type Answer = Result<Response<Empty<Bytes>>, Infallible>;

impl Service<Request<Frames>> for Naive {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Frames>) -> Self::Future {
        let in_flight = Arc::clone(&self.in_flight);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let copy = Request::from_parts(parts.clone(), Full::new(bytes.clone()));
            in_flight.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let _ = Reader.call(copy).await;
                in_flight.fetch_sub(1, Relaxed);
            });
            Reader
                .call(Request::from_parts(parts, Full::new(bytes)))
                .await
        })
    }
}
