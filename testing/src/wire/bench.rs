//! `Bench`: the proxy and the upstreams of a case, and functions that use them.

use std::{
    future::Future,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    case::{Case, Checked, Verdict},
    client::{Answer, Client, request},
    upstream::Upstream,
};

/// The limit for each step of a case. A case that passes never waits for it.
const HANG: Duration = Duration::from_secs(15);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Checked<T> {
    let late = |_| Verdict::Fails(format!("waited for {what} in vain"));
    timeout(HANG, future).await.map_err(late)
}

/// The way to find out that no further copy will arrive.
#[derive(Clone, Debug)]
pub enum Settled {
    /// The proxies report the number of copies in flight at `/stats`.
    Reported(Vec<SocketAddr>),
    /// Copies of later requests have arrived, through a proxy that mirrors all requests.
    Overtaken(SocketAddr),
}

#[derive(Debug)]
pub struct Bench {
    pub primary: Upstream,
    pub shadow: Upstream,
    /// The second shadow.
    pub second: Upstream,
    pub proxy: SocketAddr,
    pub settled: Settled,
    /// The name of the field that marks copies, if the proxy marks copies.
    pub mark: Option<String>,
    pub served: AtomicUsize,
}

impl Bench {
    pub async fn run(&self, case: &Case) -> Checked {
        for upstream in [&self.primary, &self.shadow, &self.second] {
            upstream.clear();
        }
        let result = (case.run)(self).await;
        // This opens the gates that the case has left closed.
        for upstream in [&self.primary, &self.shadow, &self.second] {
            upstream.clear();
        }
        result
    }

    pub(crate) async fn connect(&self) -> Checked<Client> {
        Client::connect(self.proxy).await
    }

    /// Sends this request on a new connection.
    pub(crate) async fn exchange(&self, request: &[u8]) -> Checked<Answer> {
        self.connect().await?.exchanges(request).await
    }

    /// Returns the response to a GET, which must be the primary's response.
    pub(crate) async fn get(&self, path: &str) -> Checked<Answer> {
        let answer = self
            .exchange(&request(&format!("GET {path}"), "", b""))
            .await?;
        from_primary(&answer)?;
        Ok(answer)
    }

    /// Returns a path that no earlier request had.
    pub fn path(&self) -> String {
        // All paths have the same length, so that no path is the beginning of another path.
        format!("/{:06}", self.served.fetch_add(1, Relaxed))
    }

    /// Waits until no further copy will arrive.
    pub async fn settle(&self) -> Checked {
        match &self.settled {
            Settled::Reported(proxies) => {
                for proxy in proxies {
                    within("the copies in flight", none_in_flight(*proxy)).await??;
                }
                Ok(())
            }
            Settled::Overtaken(proxy) => {
                for _ in 0..5 {
                    let path = self.path();
                    let get = request(&format!("GET {path}"), "", b"");
                    let mut client = Client::connect(*proxy).await?;
                    client.exchanges(&get).await?;
                    self.shadow.answers(&path).await?;
                }
                Ok(())
            }
        }
    }

    /// Checks that there is no complete copy of a request to this path. A copy that was visibly
    /// aborted is permitted.
    pub async fn no_whole_copy(&self, path: &str) -> Checked {
        self.settle().await?;
        let whole = self
            .shadow
            .seen(path)
            .into_iter()
            .find(|seen| seen.is_whole());
        ensure!(whole.is_none(), "the shadow got {whole:?}");
        Ok(())
    }

    pub async fn no_copy(&self, path: &str) -> Checked {
        self.settle().await?;
        let seen = self.shadow.seen(path);
        ensure!(seen.is_empty(), "the shadow got {seen:?}");
        Ok(())
    }
}

async fn none_in_flight(admin: SocketAddr) -> Checked {
    let mut client = Client::connect(admin).await?;
    loop {
        let answer = client.exchanges(&request("GET /stats", "", b"")).await?;
        let stats = serde_json::from_slice::<serde_json::Value>(&answer.body);
        let stats = stats.map_err(|error| Verdict::Fails(error.to_string()))?;
        if stats["in_flight"] == 0 {
            return Ok(());
        }
    }
}

pub(crate) fn from_primary(answer: &Answer) -> Checked {
    same!(answer.status, 200, "the client's status");
    same!(
        String::from_utf8_lossy(&answer.body),
        "v1",
        "the client's body"
    );
    Ok(())
}
