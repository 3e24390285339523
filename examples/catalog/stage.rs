//! The exercise's setting: v1, v2, and three webapps before them.

use std::{
    future::IntoFuture,
    io, mem,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{Router, extract::Request, middleware::from_fn};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower_mirror::{HttpTarget, MirrorHandle, MirrorStats, Outcome, Report};

use crate::{
    Result,
    catalog::{Catalog, Received, Version},
    load::{self, Load},
    naive, webapp,
};

pub(crate) struct Stage {
    pub(crate) mirror: MirrorHandle,
    /// The same app three times: with the mirror, with the one written by hand, with none.
    pub(crate) mirrored: SocketAddr,
    pub(crate) by_hand: SocketAddr,
    pub(crate) unmirrored: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    answer_bytes: Arc<AtomicU64>,
    v1: Catalog,
}

impl Stage {
    /// The setting, and v2 apart from it, for it will be switched off.
    pub(crate) async fn set() -> Result<(Self, Catalog)> {
        allow_descriptors();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let push = move |request| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(request);
        };
        let v1 = Catalog::start(Version::V1, 0, |_| ())?;
        let v2 = Catalog::start(Version::V2, 0, push)?;

        let answer_bytes = Arc::new(AtomicU64::new(0));
        let bytes = Arc::clone(&answer_bytes);
        let mirror = webapp::mirror(HttpTarget::builder(v2.url()), move |report: &Report| {
            bytes.fetch_add(report.shadow.response_bytes, Relaxed);
        })?;
        let (client, address) = (
            Client::builder(TokioExecutor::new()).build_http(),
            v2.address,
        );
        let by_hand = from_fn(move |request: Request, next| {
            naive::mirror(client.clone(), address, request, next)
        });
        let app = webapp::app(HttpTarget::new(&v1.url())?);
        let stage = Self {
            mirror: mirror.handle(),
            mirrored: start(app.clone().layer(mirror)).await?,
            by_hand: start(app.clone().layer(by_hand)).await?,
            unmirrored: start(app).await?,
            received,
            answer_bytes,
            v1,
        };
        let (webapp, v1) = (stage.mirrored, stage.v1.address);
        println!("client --> webapp {webapp}, with the mirror around it");
        println!("              |--> catalog v1 {v1}, which answers the client");
        println!("              '--> catalog v2 {address}, the shadow: a copy of every request");
        Ok((stage, v2))
    }

    /// Sends a load through the mirror, and waits until its copies have ended.
    pub(crate) async fn load(&self, progress: impl FnMut(usize)) -> Result<(Load, Ended)> {
        let before = self.mirror.stats();
        let load = load::send(self.mirrored, progress).await?;
        self.mirror.wait_idle().await;
        let after = self.mirror.stats();
        Ok((load, Ended { before, after }))
    }

    /// What v2 has received, once.
    pub(crate) fn take_received(&self) -> Vec<Received> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut received)
    }

    /// Bytes of v2's answers that have reached the mirror.
    pub(crate) fn answer_bytes(&self) -> u64 {
        self.answer_bytes.load(Relaxed)
    }
}

/// Serves an app on a port of the system's choice, until the program ends.
async fn start(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

/// The mirror written by hand takes more descriptors than some systems allow at first.
fn allow_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.current.map(|current| current.max(1024));
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// How the copies of one load ended.
pub(crate) struct Ended {
    before: MirrorStats,
    after: MirrorStats,
}

impl Ended {
    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.after.outcome(outcome) - self.before.outcome(outcome)
    }
}
