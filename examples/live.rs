//! Control while a program runs: an admin server whose routes read the statistics of a mirror and a split,
//! change the sample rate, pause the mirror, and move users to v2. Nothing is restarted; each change takes
//! effect with the next request.
//!
//! ```text
//! cargo run --example live   # runs and checks itself: exit status 0
//! ```

use axum::{
    Router,
    extract::{Path, State},
    http::{Request, StatusCode},
    routing::{get, post},
};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_mirror::{
    BoxError, HttpTarget, MirrorHandle, MirrorLayer, SampleRate, SplitHandle, WeightedSplitLayer,
    sample,
};

/// Handles are cheap to clone; all clones control the same mirror and the same split.
#[derive(Clone)]
struct Controls {
    mirror: MirrorHandle,
    split: SplitHandle,
}

/// Serve it on an address that only operators can reach, and not behind the mirror.
fn admin(controls: Controls) -> Router {
    Router::new()
        .route("/stats", get(stats))
        .route("/mirror/rate/{percent}", post(set_rate))
        .route("/mirror/pause", post(pause))
        .route("/mirror/resume", post(resume))
        .route("/split/weights/{v1}/{v2}", post(set_weights))
        .with_state(controls)
}

async fn stats(State(controls): State<Controls>) -> String {
    format!("{}\n{}", controls.mirror.stats(), controls.split.stats())
}

async fn pause(State(controls): State<Controls>) {
    controls.mirror.pause();
}

async fn resume(State(controls): State<Controls>) {
    controls.mirror.resume();
}

type Refused = (StatusCode, String);

fn refused(error: impl ToString) -> Refused {
    (StatusCode::BAD_REQUEST, error.to_string())
}

async fn set_rate(State(c): State<Controls>, Path(percent): Path<f64>) -> Result<(), Refused> {
    let rate = SampleRate::percent(percent).map_err(refused)?;
    c.mirror.set_sample_rate(rate);
    Ok(())
}

/// Sets all weights, or none if a name is unknown.
async fn set_weights(
    State(c): State<Controls>,
    Path((v1, v2)): Path<(u32, u32)>,
) -> Result<(), Refused> {
    let weights = [("v1", v1), ("v2", v2)];
    c.split.set_weights(weights).map_err(refused)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // v2 is in this process to keep the example short; usually it is an `HttpTarget`.
    let v2: Router = Router::new().fallback(async || "v2");
    let mirror = MirrorLayer::builder(v2.clone())
        .filter(sample::safe_methods())
        .build();
    println!("{mirror}\n");
    let split = WeightedSplitLayer::builder("shop")
        .inner("v1", 1)
        .subset("v2", 0, v2)
        .build()?;
    let controls = Controls {
        mirror: mirror.handle(),
        split: split.handle(),
    };
    let v1: Router = Router::new().fallback(async || "v1");
    let app = Router::new().fallback_service(mirror.layer(split.layer(v1)));
    let users = start(app).await?;
    let admin = start(admin(controls.clone())).await?;

    println!("100 requests after each:         copied  served by v2");
    let mut copied = 0;
    for (change, copies, by_v2) in [
        ("/mirror/rate/100", 100..=100, 0..=0),
        ("/mirror/rate/25", 20..=30, 0..=0),
        ("/mirror/pause", 0..=0, 0..=0),
        ("/split/weights/50/50", 0..=0, 40..=60),
        ("/mirror/resume", 20..=30, 40..=60),
    ] {
        ask(&admin, "POST", change).await?;
        let mut served = 0;
        for _ in 0..100 {
            served += usize::from(ask(&users, "GET", "/").await? == "v2");
        }
        let admitted = controls.mirror.stats().admitted() - copied;
        copied += admitted;
        println!("   {change:<30}{admitted:>6}{served:>14}");
        assert!(copies.contains(&admitted) && by_v2.contains(&served));
    }
    controls.mirror.wait_idle().await;

    println!("\nGET /stats\n{}", ask(&admin, "GET", "/stats").await?);
    Ok(())
}

async fn ask(server: &HttpTarget, method: &str, path: &str) -> Result<String, BoxError> {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(String::new())?;
    let answer = server.clone().oneshot(request).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.into())?)
}

async fn start(app: Router) -> Result<HttpTarget, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = HttpTarget::new(&format!("http://{}", listener.local_addr()?))?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(target)
}
