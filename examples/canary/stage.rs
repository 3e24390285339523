//! The setting of the release: v1, v2, and the webapp in front of them.

use std::{
    future::IntoFuture,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
};

use axum::Router;
use tokio::net::TcpListener;
use tower::Layer;
use tower_mirror::{HttpTarget, MirrorHandle, split::SplitHandle};

use crate::{
    Result,
    catalog::{Catalog, Log, Port, Version},
    load::{self, REQUESTS},
    seen::Seen,
    webapp,
};

pub(crate) struct Stage {
    pub(crate) split: SplitHandle,
    pub(crate) mirror: MirrorHandle,
    webapp: SocketAddr,
    /// The connections to v2 that serve users.
    pub(crate) to_v2: HttpTarget,
    /// The log of v2, which continues when v2 starts again.
    pub(crate) log: Log,
    pub(crate) v1: Catalog,
    loads: usize,
    /// The number of requests answered so far.
    pub(crate) done: Arc<AtomicUsize>,
}

impl Stage {
    /// Starts everything. v2 is returned separately, because it will be killed.
    pub(crate) async fn set() -> Result<(Self, Catalog)> {
        let log = Log::default();
        let v1 = Catalog::start(Version::V1, Port::take(0)?, Log::default())?;
        let v2 = Catalog::start(Version::V2, Port::take(0)?, log.clone())?;

        // One target for users and one for copies, so that neither waits for connections of the other.
        let mirror = webapp::mirror("within", HttpTarget::new(&v2.url())?);
        let to_v2 = HttpTarget::new(&v2.url())?;
        let split = webapp::split(
            mirror.layer(HttpTarget::new(&v1.url())?),
            mirror.layer(to_v2.clone()),
        )?;
        let stage = Self {
            split: split.handle(),
            mirror: mirror.handle(),
            to_v2,
            webapp: start(webapp::app(split)).await?,
            log,
            v1,
            loads: 0,
            done: Arc::default(),
        };
        let (webapp, v1, v2_at) = (stage.webapp, stage.v1.address, v2.address);
        println!("client --> webapp {webapp}, a split by the cookie `uid`");
        println!("              |--> catalog v1 {v1}; what it serves is mirrored to v2");
        println!("              '--> catalog v2 {v2_at}; when it is not ready, v1 serves");
        Ok((stage, v2))
    }

    /// Sends a load, and waits until its copies have ended.
    pub(crate) async fn load(&mut self) -> Result<Seen> {
        let (webapp, split, mirror) = (self.webapp, self.split.clone(), self.mirror.clone());
        self.load_to(webapp, &split, &mirror).await
    }

    /// Sends a load to another webapp.
    pub(crate) async fn load_to(
        &mut self,
        webapp: SocketAddr,
        split: &SplitHandle,
        mirror: &MirrorHandle,
    ) -> Result<Seen> {
        self.loads += 1;
        let before = split.stats();
        let answers = load::send(webapp, self.loads * REQUESTS, &self.done).await?;
        mirror.wait_idle().await;
        Ok(Seen {
            answers,
            split: split.stats().since(&before),
            received: self.log.take(),
        })
    }
}

/// Serves an app on a port that the system chooses, until the program ends.
pub(crate) async fn start(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
