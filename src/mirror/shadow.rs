//! The `Shadow` trait, and the erasure of a shadow's type.

use std::{fmt, marker::PhantomData, sync::Arc};

use http::{Request, Response};
use http_body::Body;
use tokio::runtime::Handle;
use tower_service::Service;

use super::{exchange::exchange, ticket::PendingCopy};
use crate::{BoxError, body::ShadowBody};

/// A service that can receive copies. The trait is an alias: it is implemented for every
/// `Service<Request<ShadowBody>, Response = Response<R>>` that is `Clone + Send + Sync + 'static`.
/// Its future must be `Send`, and its error `Into<BoxError>`. The response body `R` must be `Send +
/// 'static`, its data `Send`, and its error `Into<BoxError>`.
///
/// Examples are an [`HttpTarget`](crate::client::HttpTarget), an axum `Router`, a hyper-util
/// `Client<_, ShadowBody>`, a `service_fn`, and any stack of layers around one of them. Each copy
/// has its own clone of the service. The clone is created on the copy's task and polled for
/// readiness there.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::any};
/// use tower_mirror::{MirrorLayer, Shadow};
///
/// fn mirror<R>(shadow: impl Shadow<R>) -> MirrorLayer {
///     MirrorLayer::builder(shadow).name("catalog-v2").build()
/// }
///
/// let layer = mirror(Router::<()>::new().fallback(any(async || "v2")));
/// # let _ = layer;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the shadow of a mirror",
    label = "not a `Service<Request<ShadowBody>>` that is `Clone + Send + Sync + 'static`",
    note = "a shadow answers `http::Request<tower_mirror::ShadowBody>` with an `http::Response<_>`: an `HttpTarget`, an axum `Router`, a `hyper_util` `Client<_, ShadowBody>`, a `tower::service_fn`",
    note = "a URL goes through `HttpTarget::new(url)?`, with the `?`; a `Router<S>` first needs `.with_state(..)`; a function needs `tower::service_fn` around it",
    note = "a service that is not `Clone`, or not `Sync`, can be put behind `tower::buffer::Buffer`; where one is boxed, use `tower::util::BoxCloneSyncService`"
)]
pub trait Shadow<R>: sealed::Erase<R> {}

impl<S, R> Shadow<R> for S where S: sealed::Erase<R> {}

/// A shadow of any type, for a builder that is not generic over the shadow.
#[cfg(feature = "compare")]
pub(crate) use self::sealed::Erased as AnyShadow;

/// A shadow whose type is erased.
pub(super) trait Launch: Send + Sync {
    /// Spawns the task of one exchange.
    fn launch(&self, runtime: &Handle, copy: PendingCopy);
}

struct Launcher<S, R> {
    shadow: Arc<S>,
    answer: PhantomData<fn() -> R>,
}

impl<S, R> Launch for Launcher<S, R>
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<BoxError>,
{
    fn launch(&self, runtime: &Handle, copy: PendingCopy) {
        let span = copy.ticket.span.clone();
        runtime.spawn(span.around(exchange(Arc::clone(&self.shadow), copy)));
    }
}

impl fmt::Debug for dyn Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shadow")
    }
}

mod sealed {
    use super::*;

    pub trait Erase<R> {
        fn erase(self) -> Erased;
    }

    #[derive(Debug)]
    pub struct Erased(pub(in crate::mirror) Arc<dyn Launch>);

    impl<S, R> Erase<R> for S
    where
        S: Service<Request<ShadowBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError>,
    {
        fn erase(self) -> Erased {
            Erased(Arc::new(Launcher {
                shadow: Arc::new(self),
                answer: PhantomData,
            }))
        }
    }
}
