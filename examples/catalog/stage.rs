//! The setting of the exercise: v1, v2, and three webapps in front of them.

use std::{
    cell::Cell,
    future::IntoFuture,
    io, mem,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anstream::println;
use axum::{Router, extract::Request, middleware::from_fn};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower_mirror::{HttpTarget, MirrorHandle, MirrorStats, Outcome, Report};

use crate::{
    Result,
    catalog::{Catalog, Received, Version},
    load::{self, Load},
    naive,
    report::{self, DESCRIPTORS},
    webapp,
};

/// How long the last clients wait for their answers: so long that a busy machine does not matter.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) mirror: MirrorHandle,
    /// The same app three times: with this mirror, with one written by hand, and without a mirror.
    pub(crate) mirrored: SocketAddr,
    pub(crate) by_hand: SocketAddr,
    pub(crate) unmirrored: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    answer_bytes: Arc<AtomicU64>,
    v1: Catalog,
}

impl Stage {
    /// Starts everything. v2 is returned separately, because it will be switched off.
    pub(crate) async fn set() -> Result<(Self, Catalog)> {
        report::limit_descriptors(DESCRIPTORS);
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
        let layer = mirror.to_string();
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
        println!("\n{layer}\n");
        println!(
            "This process may open {DESCRIPTORS} descriptors. The exercise takes about 25 seconds."
        );
        Ok((stage, v2))
    }

    /// Sends a load through the mirror, and waits until its copies have ended.
    ///
    /// It also waits after every 20 requests, so that no request is without a copy because this machine is busy.
    pub(crate) async fn load_in_step(&self) -> Result<(Load, Ended)> {
        self.load(async |at| {
            if at % 20 == 0 {
                self.mirror.wait_idle().await;
            }
        })
        .await
    }

    /// Sends a load through the mirror, and waits until its copies have ended.
    pub(crate) async fn load(&self, progress: impl AsyncFnMut(usize)) -> Result<(Load, Ended)> {
        let before = self.mirror.stats();
        let load = send("tower-mirror", self.mirrored, PATIENCE, progress).await?;
        self.mirror.wait_idle().await;
        let after = self.mirror.stats();
        Ok((load, Ended { before, after }))
    }

    /// Sends a load to the app without a mirror.
    pub(crate) async fn load_unmirrored(&self) -> Result<Load> {
        send("without a mirror", self.unmirrored, PATIENCE, async |_| ()).await
    }

    /// Sends a load through the mirror written by hand, whose last clients wait for two seconds.
    pub(crate) async fn load_by_hand(&self, progress: impl AsyncFnMut(usize)) -> Result<Load> {
        let patience = Duration::from_secs(2);
        send("written by hand", self.by_hand, patience, progress).await
    }

    /// Takes what v2 has received since the last call.
    pub(crate) fn take_received(&self) -> Vec<Received> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut received)
    }

    pub(crate) fn v1_url(&self) -> String {
        self.v1.url()
    }

    /// Bytes of v2's answers that have reached the mirror.
    pub(crate) fn answer_bytes(&self) -> u64 {
        self.answer_bytes.load(Relaxed)
    }
}

/// Serves an app on a port that the system chooses, until the program ends.
async fn start(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

/// Sends a load, and prints its progress.
async fn send(
    what: &str,
    address: SocketAddr,
    patience: Duration,
    mut progress: impl AsyncFnMut(usize),
) -> Result<Load> {
    let sent = Cell::new(0);
    let load = load::send(address, patience, async |at| {
        sent.set(at);
        progress(at).await;
    });
    report::with_progress(&sent, what, load).await
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
