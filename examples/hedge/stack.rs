//! The stack of the client, with hedging and without.

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

/// The body of a client, and the same body after it was read completely.
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

/// A client whose requests are sent a second time if they take longer than most.
pub(crate) fn hedged(target: HttpTarget) -> Client {
    // `Hedge::new` sends no second request during the first period, because it has no measurements yet.
    // This one is configured with measurements of 20 ms, which is more than all requests take except the slow ones.
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
    // `Hedge` is not `Clone`. `Buffer` of tower, a channel to it, is.
    let shared = tower::buffer::Buffer::new(hedge, 64);
    BoxCloneSyncService::new(buffer().layer(shared))
}

fn buffer() -> RequestBodyBufferLayer {
    RequestBodyBufferLayer::new().max_bytes(MAX_BYTES as u64)
}

/// Selects the requests that may be sent a second time: those whose body can be cloned.
#[derive(Clone)]
struct Hedging;

impl Policy<Request<Buffered>> for Hedging {
    fn clone_request(&self, request: &Request<Buffered>) -> Option<Request<Buffered>> {
        try_clone_request(request)
    }

    /// Usually a request with an idempotency key; here every request.
    fn can_retry(&self, _: &Request<Buffered>) -> bool {
        true
    }
}
