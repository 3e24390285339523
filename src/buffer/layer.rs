//! The `RequestBodyBufferLayer` layer.

use tower_layer::Layer;

use super::service::RequestBodyBuffer;

/// Reads the whole body of each request before the service is called.
///
/// See the [module](crate::buffer) for examples.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_mirror::RequestBodyBufferLayer;
///
/// let app: Router = Router::new()
///     .route("/orders", post(async |body: String| body))
///     .layer(RequestBodyBufferLayer::new().max_bytes(256 << 10));
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestBodyBufferLayer {
    max_bytes: u64,
}

impl RequestBodyBufferLayer {
    /// Creates a layer that reads up to 2 MiB of each body, as much as a mirror copies by default.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_bytes: 2 * 1024 * 1024,
        }
    }

    /// Sets the size of the largest body that is held completely, in bytes. A longer one is
    /// forwarded as a stream. Default: 2 MiB.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl Default for RequestBodyBufferLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestBodyBufferLayer {
    type Service = RequestBodyBuffer<S>;

    fn layer(&self, inner: S) -> RequestBodyBuffer<S> {
        RequestBodyBuffer::new(inner, self.max_bytes)
    }
}
