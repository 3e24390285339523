//! A tonic server with a mirror: a unary call and a server stream are copied to a second server, whose
//! different answers no client receives. `tonic-health` takes the place of your service, because it needs no `protoc`.
//!
//! ```text
//! cargo run --example grpc   # runs and checks itself: exit status 0
//! ```

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::{
    service::Routes,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus::{self, NotServing, Serving},
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::{HealthReporter, health_reporter},
};
use tower_mirror::{BodyMode, BoxError, HttpTarget, MirrorLayer, Outcome};

const SHOP: &str = "shop.Orders";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (_v2_reporter, routes) = orders(NotServing).await;
    let (listener, v2) = listen().await?;
    tokio::spawn(
        Server::builder()
            .add_routes(routes)
            .serve_with_incoming(listener),
    );

    // A gRPC shadow speaks HTTP/2. `Streaming` relays messages when they arrive; without it a call is copied
    // after the client has sent its last message. Both calls only read, so v2 may receive them.
    let mirror = MirrorLayer::builder(HttpTarget::builder(&v2).http2().build()?)
        .name("orders-v2")
        .body_mode(BodyMode::Streaming)
        .timeout(Duration::from_secs(2))
        .observer(|report| println!("   copy: {}", report.outcome))
        .build();
    println!("{mirror}\n");
    let handle = mirror.handle();

    let (reporter, routes) = orders(Serving).await;
    let (listener, v1) = listen().await?;
    let server = Server::builder().layer(mirror).add_routes(routes);
    tokio::spawn(server.serve_with_incoming(listener));

    let mut client = HealthClient::new(Endpoint::from_shared(v1)?.connect().await?);
    let question = HealthCheckRequest {
        service: SHOP.to_owned(),
    };

    println!("unary:");
    let answer = client.check(question.clone()).await?.into_inner();
    println!("   answer: {:?}", answer.status());
    assert_eq!(answer.status, 1, "v1's answer");
    handle.wait_idle().await;

    println!("a stream without an end, whose copy ends earlier:");
    let mut answers = client.watch(question).await?.into_inner();
    for status in [1, 2] {
        let answer = answers.message().await?.ok_or("an answer")?;
        println!("   answer: {:?}", answer.status());
        assert_eq!(answer.status, status, "v1's answers");
        // Waits until the copy has timed out.
        handle.wait_idle().await;
        reporter.set_service_status(SHOP, NotServing).await;
    }

    let stats = handle.stats();
    println!("\n{stats}");
    assert_eq!(stats.outcome(Outcome::Completed), 1, "the unary call");
    assert_eq!(stats.outcome(Outcome::TimedOut), 1, "the stream");
    Ok(())
}

/// A service, and the reporter that determines its answers.
async fn orders(status: ServingStatus) -> (HealthReporter, Routes) {
    let (reporter, service) = health_reporter();
    reporter.set_service_status(SHOP, status).await;
    (reporter, Routes::new(service))
}

async fn listen() -> Result<(TcpIncoming, String), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((TcpIncoming::from(listener), url))
}
