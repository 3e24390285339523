//! The mirror in a client: the *outgoing* calls of a service are copied to the next version of the service
//! that it calls. The mirror is part of a `ServiceBuilder` stack around a hyper-util client, with a timeout
//! for the calls. The next version hangs during one of them, and no caller waits for it.
//!
//! ```text
//! cargo run --example outbound   # runs and checks itself: exit status 0
//! ```

use std::{future::pending, time::Duration};

use axum::{Router, extract::Path, http::HeaderMap, routing::get};
use bytes::Bytes;
use http::{Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_mirror::{BoxError, HostRewrite, HttpTarget, MirrorLayer, Outcome, TeeBody, sample};

/// The body of the application's calls, and the body that the client inside the mirror sends.
type Body = Full<Bytes>;
type Mirrored = TeeBody<Body>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let v1 = start(Router::new().route("/prices/{item}", get(price))).await?;
    let v2 = start(Router::new().route("/prices/{item}", get(next_price))).await?;

    let mirror = MirrorLayer::builder(HttpTarget::new(&v2)?)
        .name("prices-v2")
        // The host of an outgoing call is the server that receives it.
        .host_rewrite(HostRewrite::literal("prices-v2.internal")?)
        .filter(sample::safe_methods())
        .timeout(Duration::from_secs(2))
        .build();
    println!("{mirror}\n");
    let handle = mirror.handle();

    let client: Client<_, Mirrored> = Client::builder(TokioExecutor::new()).build_http();
    let mut prices = ServiceBuilder::new()
        .layer(mirror)
        .timeout(Duration::from_secs(30))
        .service(client);

    for item in ["glasses", "watch", "candle"] {
        let price = call(&mut prices, &format!("{v1}/prices/{item}")).await?;
        println!("{item}: {price}");
        assert_eq!(price, format!("v1's price of {item}"));
    }
    println!(
        "\ncopies that still wait for v2: {}",
        handle.stats().in_flight()
    );

    handle.wait_idle().await;
    let stats = handle.stats();
    println!("\n{stats}");
    assert_eq!(stats.outcome(Outcome::Completed), 2);
    assert_eq!(stats.outcome(Outcome::TimedOut), 1, "the watch");
    Ok(())
}

/// Sends one outgoing call. The client may be any service, mirrored or not.
async fn call<S>(client: &mut S, url: &str) -> Result<String, BoxError>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = BoxError>,
{
    let request = Request::get(url).body(Body::default())?;
    let answer = client.ready().await?.call(request).await?;
    let answer = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(answer.into())?)
}

async fn price(Path(item): Path<String>) -> String {
    format!("v1's price of {item}")
}

async fn next_price(Path(item): Path<String>, headers: HeaderMap) -> String {
    println!(
        "   v2 receives a request for {item}, with the host {:?}",
        headers[HOST]
    );
    match item.as_str() {
        "watch" => pending().await,
        _ => format!("v2's price of {item}"),
    }
}

async fn start(app: Router) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(url)
}
