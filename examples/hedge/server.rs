//! A server that is sometimes slow.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, http::HeaderMap, routing::post};
use tokio::{net::TcpListener, time::sleep};

use crate::load::{ID, SLOW_ONCE, SLOW_TWICE, sum};

/// The time of a slow answer.
pub(crate) const SLOW: Duration = Duration::from_millis(250);

pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    calls: AtomicUsize,
    /// Slow answers that a client waited for. If the client drops the call, the server drops the answer.
    slow_answers: AtomicUsize,
    /// The ids of requests that were received before.
    seen: Mutex<HashSet<usize>>,
}

impl Server {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let order =
            async move |headers: HeaderMap, body: Bytes| shared.answer(&headers, &body).await;
        let app = Router::new()
            .route("/orders", post(order))
            .layer(DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, state })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Relaxed)
    }

    pub(crate) fn slow_answers(&self) -> usize {
        self.state.slow_answers.load(Relaxed)
    }
}

impl State {
    /// One request in twenty is slow at its first call; some of them are slow at the second call too.
    async fn answer(&self, headers: &HeaderMap, body: &[u8]) -> String {
        self.calls.fetch_add(1, Relaxed);
        let id = headers
            .get(ID)
            .and_then(|id| id.to_str().ok()?.parse().ok());
        let id: usize = id.unwrap_or_default();
        let is_first = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
        let is_slow = match is_first {
            true => id % 20 == SLOW_ONCE,
            false => id % 400 == SLOW_TWICE,
        };
        if is_slow {
            sleep(SLOW).await;
            self.slow_answers.fetch_add(1, Relaxed);
        }
        sum(body)
    }
}
