//! One round: a new mirror around a new split, traffic through them, and the checks after both were dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use http::Request;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tower::ServiceBuilder;
use tower_mirror::{BodyMode, Draw, HttpTarget, Key, MirrorLayer, WeightedSplit, sample};

use crate::{
    Result,
    ask::{HEALTH, ID},
    client::{self, Tally},
    meddle::{any_rate, meddle},
    primary,
    row::Row,
    server::Server,
    shadow::{Fault, Shadow},
    tickets::Tickets,
    usage::Usage,
};

/// Longer than the timeout of a copy; or shorter, so that some copies are aborted.
const DEADLINES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(60),
    Duration::from_secs(5),
];

/// What exists during all rounds.
pub(crate) struct Stage {
    v1: Server,
    v2: Server,
    shadow: Arc<Shadow>,
}

impl Stage {
    pub(crate) async fn set() -> Result<Self> {
        Ok(Self {
            v1: primary::start("v1").await?,
            v2: primary::start("v2").await?,
            shadow: Arc::new(Shadow::start()?),
        })
    }

    pub(crate) async fn play(
        &self,
        requests: u64,
        clients: u64,
        until: Instant,
        mut chance: Rng,
        before: Usage,
    ) -> Result<Row> {
        let begun = Instant::now();
        let received = |count: &AtomicU64| count.swap(0, Relaxed);
        let is_live = chance.bool();
        let is_http2 = chance.u8(..3) == 0;
        let layer = self.mirror(is_live, is_http2, &mut chance)?;
        let split = WeightedSplit::builder("soak")
            .subset("v1", 5, target(&self.v1, false)?)
            .subset("v2", 5, target(&self.v2, chance.bool())?)
            .draw(any_draw(&mut chance))
            .build()?;
        let (mirror, weights) = (layer.handle(), split.handle());

        // Counts the requests that enter the mirror. If a client disconnects early, only the server knows whether its
        // request arrived.
        let entered = Arc::new(AtomicU64::new(0));
        let enters = Arc::clone(&entered);
        let app = ServiceBuilder::new()
            .map_request(move |request: Request<Incoming>| {
                enters.fetch_add(1, Relaxed);
                request
            })
            .layer(layer)
            .service(split);
        let front = Server::start(app).await?;

        let drain_at = chance.u64(requests * 9 / 10..=requests);
        let tickets = Arc::new(Tickets::new(requests, drain_at, until));
        let mut running = JoinSet::new();
        for _ in 0..clients {
            let chance = chance.fork();
            running.spawn(client::run(front.address, Arc::clone(&tickets), chance));
        }
        let changes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&changes);
        let meddling = tokio::spawn(meddle(
            Arc::clone(&self.shadow),
            mirror.clone(),
            weights.clone(),
            chance.fork(),
            move || {
                counted.fetch_add(1, Relaxed);
            },
        ));
        let draining = tokio::spawn({
            let (tickets, mirror) = (Arc::clone(&tickets), mirror.clone());
            let deadline = DEADLINES[chance.usize(..DEADLINES.len())];
            async move {
                tickets.drain_time().await;
                mirror.drain(deadline).await
            }
        });

        let mut tally = Tally::default();
        while let Some(ended) = running.join_next().await {
            tally.add(ended?);
        }
        tickets.are_used();
        let drained = draining.await?;
        meddling.abort();
        if let Ok(ended) = meddling.await {
            ended?;
        }
        self.shadow.set(Fault::None);
        front.close().await;

        let (stats, served) = (mirror.stats(), weights.stats());
        drop((mirror, weights));
        Ok(Row {
            tally,
            entered: entered.load(Relaxed),
            stats,
            served,
            drained,
            is_live,
            is_http2,
            changes: changes.load(Relaxed),
            received: received(&self.shadow.received.whole),
            wrong_copies: received(&self.shadow.received.wrong),
            took: begun.elapsed(),
            usage: Usage::settled(before).await,
            before,
        })
    }

    /// A mirror with limits that this traffic reaches.
    fn mirror(&self, is_live: bool, is_http2: bool, chance: &mut Rng) -> Result<MirrorLayer> {
        let shadow = HttpTarget::builder(self.shadow.url())
            .max_connections(48)
            .connect_timeout(Duration::from_millis(100))
            .write_timeout(Duration::from_millis(200));
        let shadow = if is_http2 { shadow.http2() } else { shadow };
        Ok(MirrorLayer::builder(shadow.build()?)
            .name("round")
            .sample_rate(any_rate(chance)?)
            .draw(any_draw(chance))
            .filter(sample::skip_paths([HEALTH]))
            .body_mode(if is_live {
                BodyMode::Streaming
            } else {
                BodyMode::Buffered
            })
            .max_body_bytes(128 << 10)
            .max_buffered_bytes(2 << 20)
            .max_in_flight(64)
            .lag_window(64 << 10, 64)
            .capture_timeout(Duration::from_secs(2))
            .timeout(Duration::from_millis(250))
            .max_response_bytes(32 << 10)
            .build())
    }
}

fn target(server: &Server, is_http2: bool) -> Result<HttpTarget> {
    let target = HttpTarget::builder(format!("http://{}", server.address));
    let target = if is_http2 { target.http2() } else { target };
    Ok(target.build()?)
}

fn any_draw(chance: &mut Rng) -> Draw {
    match chance.u8(..3) {
        0 => Draw::even(),
        1 => Draw::random(),
        _ => Draw::key(Key::header(ID)),
    }
}
