//! HTTP/2, by prior knowledge.

use http::Version;

use crate::{child::Proxy, client::Client, upstream::Upstream};

#[tokio::test]
async fn clients_may_speak_it() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    let client = Client::http2();

    let body = vec![b'x'; 100_000];
    let request = http::Request::post(proxy.url("/items?page=2"));
    let request = request.body(body.clone().into()).unwrap();
    let answer = client.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, body);

    // Without a `Host`, its `:authority` is what counts.
    let original = primary.seen().await;
    assert_eq!(original.version, Version::HTTP_11);
    assert_eq!(original.uri, "/items?page=2");
    assert_eq!(original.host(), proxy.address.to_string());
    assert_eq!(original.body, body);
    let copy = shadow.seen().await;
    assert_eq!(copy.version, Version::HTTP_11);
    assert_eq!(copy.uri, "/items?page=2");
    // An address has no suffix.
    assert_eq!(copy.host(), proxy.address.to_string());
    assert_eq!(copy.body, body);
    assert_eq!(proxy.settled().await.outcome("completed"), 1);
}

#[tokio::test]
async fn many_requests_at_once_on_one_connection() {
    let primary = Upstream::echo().await;
    let shadow = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    let client = Client::http2();
    let url = proxy.url("/");
    let requests = (0..50).map(|n: u32| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let request = http::Request::post(url).body(n.to_string().into());
            let answer = client.send(request.unwrap()).await;
            assert_eq!(answer.body, n.to_string());
        }
    });
    futures_util::future::join_all(requests).await;
    let stats = proxy.settled().await;
    assert_eq!(stats.number("requests"), 50);
    assert_eq!(stats.outcome("completed"), 50);
}

#[tokio::test]
async fn the_shadow_may_be_spoken_to_in_it() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::echo().await;
    let (primary_url, shadow_url) = (primary.url(), shadow.url());
    let args = [
        "--primary",
        &primary_url,
        "--shadow",
        &shadow_url,
        "--shadow-http2",
    ];
    let proxy = Proxy::start(&args).await;

    let answer = Client::http1().post(&proxy.url("/items"), "hello").await;
    assert_eq!(answer.body, "hello");
    assert_eq!(primary.seen().await.version, Version::HTTP_11);
    let copy = shadow.seen().await;
    assert_eq!(copy.version, Version::HTTP_2);
    assert_eq!(copy.uri.path(), "/items");
    assert_eq!(copy.uri.authority().unwrap(), "catalog-shadow:8000");
    assert_eq!(copy.body, "hello");
    assert_eq!(proxy.settled().await.outcome("completed"), 1);
}

#[tokio::test]
async fn the_primary_may_be_spoken_to_in_it() {
    let mut primary = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url(), "--primary-http2"]).await;
    for client in [Client::http1(), Client::http2()] {
        let answer = client.post(&proxy.url("/items"), "hello").await;
        assert_eq!(answer.body, "hello");
        let original = primary.seen().await;
        assert_eq!(original.version, Version::HTTP_2);
        assert_eq!(original.uri.path(), "/items");
        assert_eq!(original.body, "hello");
    }
}

/// Calls of gRPC, whose status is in trailers: both sides over HTTP/2.
#[tokio::test]
async fn grpc_passes() {
    use tonic_health::{
        ServingStatus,
        pb::{HealthCheckRequest, health_client::HealthClient},
    };

    let server = async || {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter
            .set_service_status("catalog", ServingStatus::Serving)
            .await;
        let incoming = tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap());
        let incoming = incoming.unwrap();
        let url = format!("http://{}", incoming.local_addr().unwrap());
        let serving = tonic::transport::Server::builder().add_service(health);
        tokio::spawn(serving.serve_with_incoming(incoming));
        url
    };
    let (primary, shadow) = (server().await, server().await);
    let args = ["--primary", &primary, "--primary-http2"];
    let shadowed = ["--shadow", &shadow, "--shadow-http2"];
    let proxy = Proxy::start(&[args, shadowed].concat()).await;
    let endpoint = tonic::transport::Endpoint::new(format!("http://{}", proxy.address)).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = client.check(ask("catalog")).await.unwrap();
    assert_eq!(answer.into_inner().status, ServingStatus::Serving as i32);
    let unknown = client.check(ask("nothing")).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    assert_eq!(proxy.settled().await.outcome("completed"), 2);
}
