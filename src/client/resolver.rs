//! What turns the name of a target into addresses: the system's resolver, or a service that the user brings.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::system;
use crate::BoxError;

/// The most addresses of each family that are used. A dial shares its time among them, and with very short shares none
/// of them would be reached.
const MOST: usize = 4;

#[derive(Clone, Default)]
pub(super) enum Resolver {
    #[default]
    System,
    /// Erased, so that a target is one type whatever resolves its name.
    Service(Arc<dyn Fn(Name) -> BoxFuture<'static, Resolved> + Send + Sync>),
}

type Resolved = Result<Vec<SocketAddr>, BoxError>;

impl Resolver {
    pub(super) fn new<R>(resolver: R) -> Self
    where
        R: Service<Name> + Clone + Send + Sync + 'static,
        R::Response: Iterator<Item = SocketAddr>,
        R::Error: Into<BoxError>,
        R::Future: Send,
    {
        Self::Service(Arc::new(move |name| {
            let mut resolver = resolver.clone();
            let resolved = async move {
                let ready = poll_fn(|cx| resolver.poll_ready(cx)).await;
                ready.map_err(Into::into)?;
                let addresses = resolver.call(name).await.map_err(Into::into)?;
                Ok(few(addresses))
            };
            resolved.boxed()
        }))
    }

    pub(super) async fn resolve(&self, name: Name) -> Resolved {
        match self {
            Self::System => Ok(few(system::resolve(name.as_str()).await?)),
            Self::Service(service) => service(name).await,
        }
    }
}

/// The first addresses of each family, in the order in which they came.
fn few(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut left = [MOST; 2];
    let is_one_of_the_first = |address: &SocketAddr| {
        let left = &mut left[usize::from(address.is_ipv6())];
        let is_one = *left > 0;
        *left = left.saturating_sub(1);
        is_one
    };
    let addresses = addresses.into_iter();
    addresses.filter(is_one_of_the_first).collect()
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Service(_) => "Service",
        })
    }
}
