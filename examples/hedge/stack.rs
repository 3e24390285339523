//! The client's stack, with hedging and without.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{
    BoxError, Layer, ServiceBuilder,
    hedge::{Hedge, Policy},
    util::BoxCloneSyncService,
};
use tower_mirror::{
    BufferedBody, HttpTarget, RequestBodyBufferLayer, buffer::try_clone_request, client,
};

/// A client's body, and the same once it was read whole.
type Body = Full<Bytes>;
type Buffered = BufferedBody<Body>;

/// Both stacks.
pub(crate) type Client =
    BoxCloneSyncService<Request<Body>, Response<client::ResponseBody>, BoxError>;

/// Orders up to this length are hedged.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// A client without hedging.
pub(crate) fn plain(target: HttpTarget) -> Client {
    let target = ServiceBuilder::new()
        .map_err(BoxError::from)
        .service(target);
    BoxCloneSyncService::new(buffer().layer(target))
}

/// A client whose requests are sent a second time when they take longer than most.
pub(crate) fn hedged(target: HttpTarget) -> Client {
    // `Hedge::new` sends no hedge before the first period is over, since it has seen nothing yet.
    // This one is told what is usual: 20 ms, more than all but the slow ones take.
    let usual = [20; 20];
    let (min_data_points, percentile, period) = (10, 0.95, Duration::from_secs(60));
    let hedge = Hedge::new_with_mock_latencies(
        target,
        Hedging,
        min_data_points,
        percentile,
        period,
        &usual,
    );
    // `Hedge` is not `Clone`; behind tower's own `Buffer`, a channel to it, it is.
    let shared = tower::buffer::Buffer::new(hedge, 64);
    BoxCloneSyncService::new(buffer().layer(shared))
}

fn buffer() -> RequestBodyBufferLayer {
    RequestBodyBufferLayer::new().max_bytes(MAX_BYTES as u64)
}

/// Which requests are sent a second time: those whose body can be.
#[derive(Clone)]
struct Hedging;

impl Policy<Request<Buffered>> for Hedging {
    fn clone_request(&self, request: &Request<Buffered>) -> Option<Request<Buffered>> {
        try_clone_request(request)
    }

    /// An order with an idempotency key, say; here all of them.
    fn can_retry(&self, _: &Request<Buffered>) -> bool {
        true
    }
}
