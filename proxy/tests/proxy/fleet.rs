//! Three proxies, one Prometheus that scrapes them, and the example `fleet`, which judges the sums.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tower_mirror::compare::{RouteCounts, Verdict};

use crate::{
    client::get,
    compare::{Compared, ITEMS, WITH_IMAGES, app},
    within,
};

#[allow(dead_code)] // its `main`
#[path = "../../examples/fleet.rs"]
mod program;

/// Far more than are needed.
const ROUNDS: usize = 400;
/// Of a look, in seconds; two scrapes.
const STEP: f64 = 0.5;

struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Prometheus {
    /// `None`: the program is missing.
    async fn start(targets: &[SocketAddr]) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let name = format!(
            "tower-mirror-fleet-{}-{}",
            std::process::id(),
            address.port()
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let targets: Vec<_> = targets.iter().map(SocketAddr::to_string).collect();
        let config = serde_json::json!({"scrape_configs": [{
            "job_name": "proxies",
            "scrape_interval": "250ms",
            "scrape_timeout": "250ms",
            "static_configs": [{"targets": targets}],
        }]});
        // JSON is YAML.
        fs::write(folder.join("prometheus.yml"), config.to_string()).unwrap();
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let started = Self {
            child: child.ok()?,
            address,
            folder,
        };
        within("the start of Prometheus", async {
            let is_up = async || tokio::net::TcpStream::connect(address).await.is_ok();
            let is_ready = async || get(&format!("http://{address}/-/ready")).await.status == 200;
            while !(is_up().await && is_ready().await) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Some(started)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Three replicas of one proxy, and the verdict on their sums.
struct Replicas {
    proxies: [Compared; 3],
    _prometheus: Prometheus,
    fleet: program::Fleet,
}

impl Replicas {
    async fn start(v2: &'static str) -> Option<Self> {
        let replica = async || Compared::with(app(move |_| (200, v2)).await, &[]).await;
        let proxies = [replica().await, replica().await, replica().await];
        let targets = proxies.each_ref().map(|replica| replica.proxy.admin());
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let Some(prometheus) = Prometheus::start(&targets).await else {
            println!("skipped: the program `prometheus` is missing (apt-get install prometheus)");
            return None;
        };
        let fleet = program::Fleet {
            prometheus: format!("http://{}", prometheus.address),
            mirror: "mirror".to_owned(),
            start: start.unwrap().as_secs_f64(),
            step: STEP,
            accept_excess: 0.1,
        };
        Some(Self {
            proxies,
            _prometheus: prometheus,
            fleet,
        })
    }

    async fn ask(&self) {
        for replica in &self.proxies {
            replica.ask_items().await;
        }
    }

    /// Asks until the sums have this verdict, the first that is decided.
    async fn ask_until(&self, is_it: fn(&Verdict) -> bool) -> Vec<RouteCounts> {
        for _ in 0..ROUNDS {
            self.ask().await;
            let (rows, verdict) = self.fleet.look().await.unwrap();
            if is_it(&verdict) {
                return rows;
            }
            assert_eq!(verdict.as_str(), "inconclusive", "{verdict}");
            // A block ends by the clock of Prometheus, another process, so that paused time cannot help. No result depends on
            // the length of this sleep: it only limits the number of queries.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not decided after {ROUNDS} rounds");
    }

    /// `compared` and `shadow_only` as the replicas themselves report them, added up.
    async fn own(&self) -> [u64; 2] {
        let mut sums = [0, 0];
        for replica in &self.proxies {
            let verdict = replica.settled().await;
            let number = |value: &Value| value.as_u64().unwrap();
            sums[0] += number(&verdict["compared"]);
            sums[1] += number(&verdict["routes"][0]["shadow_only"]);
        }
        sums
    }
}

fn sums(rows: &[RouteCounts]) -> [u64; 2] {
    let requests = rows.iter().map(|row| row.whole().requests());
    requests.fold([0, 0], |[compared, shadow_only], counts| {
        [
            compared + counts.compared(),
            shadow_only + counts.shadow_only(),
        ]
    })
}

#[tokio::test]
async fn three_replicas_have_one_verdict() {
    for (v2, is_it) in [
        (ITEMS, Verdict::is_pass as fn(&Verdict) -> bool),
        (WITH_IMAGES, Verdict::is_fail),
    ] {
        let Some(replicas) = Replicas::start(v2).await else {
            return;
        };
        let rows = replicas.ask_until(is_it).await;
        assert_eq!(rows[0].route(), "GET *");
        // No replica has as many requests as all have together, and in the end no request is missing in the sums.
        let own = replicas.own().await;
        within("the last scrape", async {
            while sums(&replicas.fleet.look().await.unwrap().0) != own {
                // The next scrape is at a time of Prometheus' own.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        assert!(own[0] > 0 && (own[1] > 0) == (v2 == WITH_IMAGES), "{own:?}");
    }
}

#[tokio::test]
async fn an_answer_that_prometheus_refuses_is_an_error() {
    let upstream = app(|_| (400, r#"{"status": "error", "error": "bad query"}"#)).await;
    let fleet = program::Fleet {
        prometheus: upstream.url(),
        mirror: "mirror".to_owned(),
        start: 0.0,
        step: 60.0,
        accept_excess: 0.1,
    };
    let error = fleet.look().await.unwrap_err().to_string();
    assert!(
        error.contains("400") && error.contains("bad query"),
        "{error}"
    );
}
