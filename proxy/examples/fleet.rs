//! One verdict for a fleet: judges the counts of several replicas, which Prometheus sums.
//!
//! ```text
//! cargo run -p tower-mirror-proxy --example fleet -- \
//!     --prometheus http://127.0.0.1:9090 --mirror catalog-v2 --start 1790000000 --step 60
//! ```
//!
//! Each replica has a verdict of its own, for which it needs thousands of requests. The sums over all replicas are decided sooner.
//! The requests of the replicas add up. The blocks of time do not, because a bad minute of v2 is a bad minute in each replica; so the
//! blocks are those of the sums, minute by minute.
//!
//! `--start` is the time when v2 was deployed, in seconds since 1970. It must stay the same from one look to the next, since the blocks
//! begin there. The exit status is 0 for PASS, 1 for FAIL, 2 if it is not decided and 3 for an error. A caller that acts on FAIL must
//! do so at the first one: this program remembers nothing between two looks. The latency is not judged.

use std::{collections::BTreeMap, process::ExitCode, time::SystemTime};

use clap::Parser;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde_json::Value;
use tower::ServiceExt;
use tower_mirror::{
    BoxError, HttpTarget,
    compare::{Accept, Counts, RouteCounts, Tally, Verdict, judge},
};

/// Judges the counts of several replicas, which Prometheus sums.
#[derive(Debug, Parser)]
pub(crate) struct Fleet {
    /// Prometheus, as http://host[:port].
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: String,

    /// The name of the mirror.
    #[arg(long, default_value = "mirror")]
    pub(crate) mirror: String,

    /// When v2 was deployed, in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) start: f64,

    /// The length of a block in seconds: at least twice the interval of the scrapes.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) step: f64,

    /// The share of requests by which the shadow may differ more often than the baseline.
    #[arg(long, value_name = "F", default_value_t = 0.001)]
    pub(crate) accept_excess: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Fleet::parse().look().await {
        Ok((_, verdict)) => {
            println!("{verdict}");
            ExitCode::from(match verdict {
                Verdict::Pass => 0,
                Verdict::Fail(_) => 1,
                _ => 2,
            })
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

/// The counts of one route, block by block. The places are the numbers of the blocks.
#[derive(Default)]
struct Blocks {
    counts: BTreeMap<u64, [u64; 4]>,
    not_judged: u64,
}

const RESULTS: [&str; 4] = ["equal", "shadow_only", "baseline_only", "both"];

impl Fleet {
    /// The rows and their verdict.
    pub(crate) async fn look(&self) -> Result<(Vec<RouteCounts>, Verdict), BoxError> {
        let mut routes = BTreeMap::<String, Blocks>::new();
        for series in self
            .sums("tower_mirror_compared_total", "route, result")
            .await?
        {
            let result = label(&series, "result")?;
            let place = RESULTS.iter().position(|known| *known == result);
            let place = place.ok_or_else(|| format!("{result:?} is not a result"))?;
            let route = routes.entry(label(&series, "route")?).or_default();
            for (block, count) in self.points(&series)? {
                route.counts.entry(block).or_default()[place] += count;
            }
        }
        for series in self.sums("tower_mirror_not_judged_total", "route").await? {
            let route = routes.entry(label(&series, "route")?).or_default();
            let points = self.points(&series)?;
            route.not_judged += points.iter().map(|(_, count)| count).sum::<u64>();
        }
        // The order decides the weights, and must not change from one look to the next.
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by_key(|(_, blocks)| blocks.counts.keys().next().copied());
        let rows = routes.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
        let verdict = judge(&rows, &Accept::excess(self.accept_excess)?);
        Ok((rows, verdict))
    }

    /// How much a counter grew in each block, summed over all replicas.
    ///
    /// `increase` would extrapolate, and would miss the first value of a counter. A difference is exact. A counter that is new, or that
    /// is smaller than before because its process was restarted, began at 0 within the block.
    async fn sums(&self, counter: &str, labels: &str) -> Result<Vec<Value>, BoxError> {
        let (mirror, step) = (&self.mirror, (self.step * 1_000.0).round());
        let now = format!("{counter}{{mirror={mirror:?}}}");
        let before = format!("last_over_time({now}[1d] offset {step}ms)");
        let query = format!("sum by ({labels}) (({now} - {before}) >= 0 or {now})");
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let range = format!(
            "/api/v1/query_range?query={}&start={}&end={}&step={}",
            encoded(&query),
            self.start,
            end.as_secs_f64(),
            self.step
        );
        let target = HttpTarget::new(&self.prometheus)?;
        let host = target.authority().to_string();
        let request = Request::get(range).header("host", host);
        let answer = target
            .oneshot(request.body(Empty::<bytes::Bytes>::new())?)
            .await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            return Err(format!("Prometheus answers {status}: {text}").into());
        }
        let mut body: Value = serde_json::from_slice(&body)?;
        match body["data"]["result"].take() {
            Value::Array(series) => Ok(series),
            other => Err(format!("Prometheus answers {other} instead of a list").into()),
        }
    }

    /// The numbers of the blocks, and by how much the sum grew in each.
    fn points(&self, series: &Value) -> Result<Vec<(u64, u64)>, BoxError> {
        let points = series["values"]
            .as_array()
            .ok_or("a series without values")?;
        let point = |point: &Value| {
            let time = point[0].as_f64()?;
            let count: f64 = point[1].as_str()?.parse().ok()?;
            Some((
                ((time - self.start) / self.step).round() as u64,
                count as u64,
            ))
        };
        let points: Option<_> = points.iter().map(point).collect();
        points.ok_or_else(|| "a value that is not a number".into())
    }
}

fn row((route, blocks): (String, Blocks)) -> Result<RouteCounts, BoxError> {
    let counts = blocks
        .counts
        .values()
        .map(|[equal, shadow, baseline, both]| {
            Counts::paired(equal + shadow + baseline + both, *shadow, *baseline)
        });
    let counts = counts.collect::<Result<Vec<_>, _>>()?;
    let row = RouteCounts::new(route, Tally::from_blocks(counts));
    Ok(row.not_judged(blocks.not_judged))
}

fn label(series: &Value, name: &str) -> Result<String, BoxError> {
    let label = series["metric"][name].as_str();
    Ok(label
        .ok_or_else(|| format!("a series without {name}"))?
        .to_owned())
}

/// RFC 3986, section 2.1.
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).into(),
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}
