//! The shop with a comparison around it, and its shadow and its baseline on sockets.

use std::time::Duration;

use axum::{Router, extract::MatchedPath};
use tower_mirror::{
    HttpTarget, MirrorLayer,
    compare::{Accept, Compare, CompareHandle},
};

use crate::{
    Result,
    shop::{Fault, serve, shop},
};

/// A shop that is compared with another version.
pub(crate) struct Compared {
    pub(crate) app: Router,
    pub(crate) handle: CompareHandle,
}

/// FAIL needs several blocks of time in which v2 differed. The default is 10 s, so that a process which is slow or stale for some
/// seconds does not count as FAIL. Here no process is, and FAIL is wanted soon.
pub(crate) const BLOCK: Duration = Duration::from_secs(2);

/// Puts the comparison around v1. The default of 0.1 % and 95 % decides.
pub(crate) fn compared(name: &str, v2: HttpTarget, second_v1: HttpTarget) -> Result<Compared> {
    let mirror = MirrorLayer::builder(v2)
        .name(name.to_owned())
        .route_label(|head| Some(head.extensions.get::<MatchedPath>()?.as_str().to_owned()));
    let compare = Compare::with_baseline(second_v1)
        .accept(Accept::default())
        .block(BLOCK)
        .duty(1.0) // a whole core, so that the verdict comes soon
        .layer(mirror)?;
    Ok(Compared {
        handle: compare.handle(),
        app: shop(Fault::default()).layer(compare),
    })
}

pub(crate) struct Stage {
    /// v2 as it was written.
    pub(crate) v2: Compared,
    /// A v2 that is only v1 once more.
    pub(crate) same: Compared,
    pub(crate) fault: Fault,
}

impl Stage {
    pub(crate) async fn set() -> Result<Self> {
        let fault = Fault::new();
        let v2 = serve(shop(fault.clone())).await?;
        let same = serve(shop(Fault::default())).await?;
        let second_v1 = serve(shop(Fault::default())).await?;
        let target = |url: &str| HttpTarget::new(url);
        Ok(Self {
            v2: compared("shop-v2", target(&v2)?, target(&second_v1)?)?,
            same: compared("shop-v1-again", target(&same)?, target(&second_v1)?)?,
            fault,
        })
    }
}
