//! M7, S4, S5, on real sockets: decisions are the same over HTTP/1.1 and HTTP/2, in particular
//! those by host and by cookie, which the two versions have in different places.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Version,
    header::{COOKIE, HOST},
};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_mirror::{
    Draw, Force, Key, MirrorLayer, Outcome, Report, RequestHead, SampleRate, ShadowBody,
    WeightedSplitLayer, mirror::MirrorBuilder, observe::Observer,
};
use tower_mirror_testing::net::{HANG, serve};

/// The parts of a server's response that show its decisions.
type Decided = BTreeSet<&'static str>;

/// Adds a name to the headers of the response if the mirror has copied the request.
fn named<D>(name: &'static str, app: Router, decide: D) -> Router
where
    D: FnOnce(MirrorBuilder) -> MirrorBuilder,
{
    #[derive(Clone, Default)]
    struct Taken(Arc<AtomicBool>);
    impl Observer for Taken {
        fn on_report(&self, _: &Report) {}
        fn on_skip(&self, _: Outcome, _: &RequestHead<'_>) {
            self.0.store(false, Relaxed);
        }
    }
    let shadow = service_fn(async |_: Request<ShadowBody>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let taken = Taken::default();
    let mirror = decide(MirrorLayer::builder(shadow).observe_with(taken.clone())).build();
    let inner = app.layer(mirror);
    // The requests of these tests are sent one after the other.
    Router::new().fallback_service(service_fn(move |request: Request<Body>| {
        taken.0.store(true, Relaxed);
        let (taken, inner) = (taken.clone(), inner.clone());
        async move {
            let Ok(mut answer) = inner.oneshot(request).await;
            if taken.0.load(Relaxed) {
                answer
                    .headers_mut()
                    .insert(name, HeaderValue::from_static("yes"));
            }
            Ok::<AxumResponse, Infallible>(answer)
        }
    }))
}

/// All layers that can decide by `header`, around one application with a nested router.
fn app(header: HeaderName, forced: &'static str, filtered: &'static str) -> Router {
    let half = SampleRate::percent(50.0).unwrap();
    let nested = Router::new().route("/item", get(async || "v1"));
    let key = Key::header(header.clone());
    let nested = named("x-nested", nested, {
        let key = key.clone();
        move |mirror| mirror.sample_rate(half).draw(Draw::key(key))
    });
    let app = Router::new()
        .route("/", get(async || "v1"))
        .nest("/nested", nested);
    let other = |name: &'static str| {
        service_fn(move |_: Request<Body>| {
            let headers = [(HeaderName::from_static(name), "yes")];
            std::future::ready(Ok::<_, Infallible>((headers, name).into_response()))
        })
    };
    let inside = |layer: WeightedSplitLayer<_, _>, app: Router| {
        Router::new().fallback_service(layer.layer(app))
    };
    let sticky = WeightedSplitLayer::builder("catalog")
        .inner("v1", 1)
        .subset("v2", 1, other("x-sticky"))
        .draw(Draw::key(key.clone()))
        .build()
        .unwrap();
    let force = WeightedSplitLayer::builder("catalog")
        .inner("v1", 1)
        .subset(forced, 0, other("x-forced"))
        .force(Force::header(header.clone()).when(|_| true))
        .build()
        .unwrap();
    let app = inside(force, inside(sticky, app));
    let app = named("x-keyed", app, |mirror| {
        mirror.sample_rate(half).draw(Draw::key(key))
    });
    named("x-filtered", app, move |mirror| {
        mirror.filter(move |head| head.header(&header).as_deref() == Some(filtered.as_bytes()))
    })
}

fn decided(headers: &HeaderMap) -> Decided {
    ["x-keyed", "x-filtered", "x-sticky", "x-forced", "x-nested"]
        .into_iter()
        .filter(|name| headers.contains_key(*name))
        .collect()
}

async fn over_http1(server: SocketAddr, request: Request<Empty<Bytes>>) -> Decided {
    let stream = TcpStream::connect(server).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = client.send_request(request).await.unwrap();
    let found = decided(answer.headers());
    answer.into_body().collect().await.unwrap();
    found
}

async fn over_http2(server: SocketAddr, request: Request<Empty<Bytes>>) -> Decided {
    let stream = TcpStream::connect(server).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    let found = decided(answer.headers());
    answer.into_body().collect().await.unwrap();
    found
}

/// Writes the request by hand, because a client would correct it.
async fn raw(server: SocketAddr, target: &str, hosts: &[&str]) -> Decided {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut head = format!("GET {target} HTTP/1.1\r\nconnection: close\r\n");
    for host in hosts {
        head += &format!("host: {host}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    timeout(HANG, reading).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let named = ["x-keyed", "x-filtered", "x-sticky", "x-forced", "x-nested"].into_iter();
    named
        .filter(|name| answer.contains(&format!("\r\n{name}: yes")))
        .collect()
}

fn to(target: &str) -> http::request::Builder {
    Request::get(target)
}

#[tokio::test]
async fn a_host_decides_the_same_in_every_version_and_form() {
    let server = serve(app(HOST, "v2.shop.example", "u3.shop.example")).await;
    let mut all = Vec::new();
    let hosts = (0..12).map(|user| format!("u{user}.shop.example"));
    for host in hosts.chain([
        "v2.shop.example".to_owned(),
        "[2001:db8::1]:8443".to_owned(),
    ]) {
        for path in ["/", "/nested/item"] {
            let origin = |host: &str| to(path).header(HOST, host).body(Empty::new()).unwrap();
            let absolute = |host: &str| {
                let target = format!("http://{host}{path}");
                to(&target).body(Empty::new()).unwrap()
            };
            let upper = host.to_ascii_uppercase();
            let expected = over_http1(server, origin(&host)).await;
            let mut same = vec![
                over_http2(server, absolute(&host)).await,
                over_http2(server, absolute(&upper)).await,
                over_http1(server, origin(&upper)).await,
                raw(
                    server,
                    &format!("http://{host}{path}"),
                    &["another.example"],
                )
                .await,
                raw(server, &format!("http://ada:secret@{host}{path}"), &[&host]).await,
                raw(server, path, &[&host, "another.example"]).await,
            ];
            if !host.ends_with("8443") {
                let with = |port| format!("{host}:{port}");
                same.push(over_http2(server, absolute(&with(80))).await);
                same.push(over_http2(server, absolute(&with(443))).await);
                same.push(raw(server, path, &[&with(80)]).await);
            }
            for (at, found) in same.iter().enumerate() {
                assert_eq!(*found, expected, "{host}{path}, case {at}");
            }
            all.push(expected);
        }
    }
    // Each layer has made both decisions.
    for name in ["x-keyed", "x-filtered", "x-sticky", "x-forced", "x-nested"] {
        let took = all.iter().filter(|decided| decided.contains(name)).count();
        assert!((1..all.len()).contains(&took), "{name}: {took}");
    }
    // Without a host there is no value for a decision.
    let without_host = raw(server, "/", &[""]).await;
    assert!(
        !without_host.contains("x-filtered") && !without_host.contains("x-forced"),
        "{without_host:?}"
    );
}

#[tokio::test]
async fn cookies_that_http2_splits_are_one() {
    let server = serve(app(COOKIE, "v2", "uid=7; theme=dark")).await;
    let mut all = Vec::new();
    for user in 0..24 {
        let pairs = [format!("uid={user}"), "theme=dark".to_owned()];
        let joined = to("/").header(COOKIE, pairs.join("; "));
        let expected = over_http1(server, joined.body(Empty::new()).unwrap()).await;
        let [first, second] = pairs;
        let target = "http://shop.example/";
        let split = to(target).header(COOKIE, first).header(COOKIE, second);
        let found = over_http2(server, split.body(Empty::new()).unwrap()).await;
        assert_eq!(found, expected, "{user}");
        all.push(expected);
    }
    for name in ["x-keyed", "x-filtered", "x-sticky"] {
        let took = all.iter().filter(|decided| decided.contains(name)).count();
        assert!((1..all.len()).contains(&took), "{name}: {took}");
    }
}
