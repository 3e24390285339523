//! An axum application with a mirror: an observer that prints how each copy ended, and a shutdown that
//! waits for the copies in flight. The server that receives them answers late, and it fails when it
//! receives an order.
//!
//! ```text
//! cargo run --example axum_app   # runs and checks itself: exit status 0
//! ```

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::MatchedPath,
    http::{Request, StatusCode},
    routing::{get, post},
};
use http_body_util::{BodyExt, Full};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tower::ServiceExt;
use tower_mirror::{BoxError, HttpTarget, MirrorLayer, Outcome, Report, StatusClass};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let v2 = start_v2().await?;
    // v2 has its own store, so orders may be copied too.
    let mirror = MirrorLayer::builder(HttpTarget::new(&format!("http://{v2}"))?)
        .name("shop-v2")
        .route_label(|head| Some(head.extensions.get::<MatchedPath>()?.as_str().to_owned()))
        .observer(print)
        .build();
    println!("{mirror}\n");
    let handle = mirror.handle();

    let app = Router::new()
        .route("/items", get(async || "glasses, watch"))
        .route("/orders/{item}", post(order))
        .layer(mirror)
        // Routes that are added after the layer are not mirrored.
        .route("/health", get(async || "fine"));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let server = axum::serve(listener, app)
        // In your application: `tokio::signal::ctrl_c()`.
        .with_graceful_shutdown(async { stopped.await.unwrap_or_default() });
    let server = tokio::spawn(server.into_future());

    println!("v1 answers:");
    assert_eq!(ask(address, "GET", "/items").await?, "200: glasses, watch");
    assert_eq!(ask(address, "POST", "/orders/watch").await?, "201: ordered");
    assert_eq!(ask(address, "GET", "/health").await?, "200: fine");

    println!("\nshutdown, the end of each copy, and the drain:");
    stop.send(()).unwrap_or_default();
    server.await??;
    // Only now, because requests that should be copied may arrive until here.
    let drained = handle.drain(Duration::from_secs(5)).await;
    println!("   {} copies were aborted\n", drained.aborted);

    let stats = handle.stats();
    println!("{stats}");
    assert_eq!(drained.aborted, 0);
    assert_eq!(stats.outcome(Outcome::Completed), 2);
    let worse = stats.statuses(StatusClass::Success, StatusClass::ServerError);
    assert_eq!(worse, 1, "v2 fails, and v1 does not");
    Ok(())
}

/// Reads the body. A request whose body it does not read would have no copy.
async fn order(_order: String) -> (StatusCode, &'static str) {
    (StatusCode::CREATED, "ordered")
}

/// Runs on the task of the copy when both sides have ended. It must not block: if the line has to go to
/// something slower than a terminal, send it through a channel.
fn print(report: &Report) {
    let status = |status: Option<StatusCode>| status.map_or("none".into(), |s| s.to_string());
    println!(
        "   {} {}: {}; v1 {}, v2 {} after {:?}",
        report.mirror,
        report.route.as_deref().unwrap_or("-"),
        report.outcome,
        status(report.primary.status),
        status(report.shadow.status),
        report.shadow.latency.unwrap_or_default(),
    );
}

/// The server that receives the copies.
async fn start_v2() -> Result<SocketAddr, BoxError> {
    let late = async |answer| {
        sleep(Duration::from_millis(100)).await;
        answer
    };
    let app = Router::new()
        .route(
            "/items",
            get(async move || late((StatusCode::OK, "")).await),
        )
        .fallback(async move || late((StatusCode::INTERNAL_SERVER_ERROR, "")).await);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

/// Sends a request as a client does, and prints the answer.
async fn ask(server: SocketAddr, method: &str, path: &str) -> Result<String, BoxError> {
    let body = if method == "POST" { "two" } else { "" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Full::from(body))?;
    let server = HttpTarget::new(&format!("http://{server}"))?;
    let answer = server.oneshot(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    let answer = format!("{status}: {}", String::from_utf8_lossy(&body));
    println!("   {method} {path} -> {answer}");
    Ok(answer)
}
