//! The shadow's side: the requests that reach the service, and the refusals of the others.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Extension, Router, body::Body as AxumBody, routing::any};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_mirror::{
    HttpTarget, MakeResponse, MirrorLayer, Mirrored, Outcome, ReadOnlyLayer, StatusClass,
};

const METHODS: [(&str, bool); 10] = [
    ("GET", true),
    ("HEAD", true),
    ("OPTIONS", true),
    ("TRACE", true),
    ("POST", false),
    ("PUT", false),
    ("PATCH", false),
    ("DELETE", false),
    ("PROPFIND", false),
    ("get", false),
];

/// The result of a request: the status, and the mark that the service saw if it was called.
async fn got<A>(layer: ReadOnlyLayer<A>, request: request::Builder) -> (u16, Option<Option<String>>)
where
    A: MakeResponse<request::Parts, String> + Clone,
{
    let seen = Mutex::new(None);
    let service = service_fn(async |request: Request<String>| {
        let by = request.extensions().get::<Mirrored>();
        *seen.lock().unwrap() = Some(by.map(|copy| copy.mirror().to_owned()));
        Ok::<_, Infallible>(Response::new("served".to_owned()))
    });
    let request = request.body("a body".to_owned()).unwrap();
    let answer = layer.layer(service).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, seen.into_inner().unwrap())
}

fn copy(method: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .header("x-mirrored-by", "v2")
}

#[tokio::test]
async fn copies_pass_by_safe_methods_alone_and_others_by_all() {
    for (method, is_safe) in METHODS {
        let expected = match is_safe {
            true => (200, Some(Some("v2".to_owned()))),
            false => (403, None),
        };
        assert_eq!(
            got(ReadOnlyLayer::new(), copy(method)).await,
            expected,
            "{method}"
        );
        let own = Request::builder().method(method);
        assert_eq!(
            got(ReadOnlyLayer::new(), own).await,
            (200, Some(None)),
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_mark_with_any_value_is_recognised() {
    let odd: [&[u8]; 4] = [b"", b" ", b"\xff\x80", b"a, b"];
    for value in odd {
        let value = HeaderValue::from_bytes(value).unwrap();
        let post = Request::post("/").header("X-Mirrored-By", value.clone());
        assert_eq!(
            got(ReadOnlyLayer::new(), post).await,
            (403, None),
            "{value:?}"
        );
        let get = Request::get("/").header("x-mirrored-by", value.clone());
        let name = value.to_str().unwrap_or_default().to_owned();
        assert_eq!(
            got(ReadOnlyLayer::new(), get).await,
            (200, Some(Some(name)))
        );
    }
    let headers = copy("GET").body(()).unwrap().into_parts().0.headers;
    assert_eq!(Mirrored::from_headers(&headers).unwrap().mirror(), "v2");
    assert_eq!(
        Mirrored::from_headers_named(&headers, HeaderName::from_static("x-copy")),
        None
    );
}

#[tokio::test]
async fn every_setting_does_what_it_says() {
    let x_copy = HeaderName::from_static("x-copy");
    let other = || ReadOnlyLayer::new().mark(x_copy.clone());
    assert_eq!(got(other(), copy("POST")).await, (200, Some(None)));
    let marked = Request::post("/").header("x-copy", "v2");
    assert_eq!(got(other(), marked).await, (403, None));

    let gone = ReadOnlyLayer::new().status(StatusCode::NO_CONTENT);
    assert_eq!(got(gone, copy("POST")).await, (204, None));

    let teapot = |copy: &request::Parts| {
        assert_eq!(copy.method, Method::POST);
        let answer = Response::builder().status(418);
        answer.body("refused".to_owned()).unwrap()
    };
    assert_eq!(
        got(ReadOnlyLayer::new().refusal(teapot), copy("POST")).await,
        (418, None)
    );

    let searches = ReadOnlyLayer::new()
        .allow(|head| head.uri.path() == "/search")
        .allow(|head| head.uri.path() == "/find");
    let seen = Some(Some("v2".to_owned()));
    for (path, expected) in [
        ("/search", (200, seen.clone())),
        ("/find", (200, seen)),
        ("/", (403, None)),
    ] {
        assert_eq!(
            got(searches.clone(), copy("POST").uri(path)).await,
            expected
        );
    }
    assert_eq!(got(searches, copy("GET")).await.0, 200);
}

/// Returns how many bytes are read before the refusal, of an upload of `frames` frames with `size`
/// bytes each.
async fn read_of(layer: ReadOnlyLayer, size: usize, frames: u64) -> u64 {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let frames = (0..frames).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; size])))
    });
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let never = service_fn(
        async |_: Request<_>| -> Result<Response<String>, Infallible> {
            panic!("a write reached the service")
        },
    );
    let answer = layer
        .layer(never)
        .oneshot(copy("POST").body(body).unwrap())
        .await;
    assert_eq!(answer.unwrap().status(), StatusCode::FORBIDDEN);
    read.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_refused_body_is_read_up_to_its_cap() {
    let capped = || ReadOnlyLayer::new().max_body_bytes(2500);
    assert_eq!(
        read_of(capped(), 1000, 2).await,
        2,
        "the body is read to its end"
    );
    assert_eq!(read_of(capped(), 1000, 1000).await, 3);
    assert_eq!(
        read_of(capped(), 0, 10_000).await,
        2500,
        "reading empty frames ends too"
    );
    assert_eq!(
        read_of(ReadOnlyLayer::new(), 64 * 1024, 100).await,
        32,
        "2 MiB"
    );
    assert_eq!(
        read_of(ReadOnlyLayer::new().max_body_bytes(0), 1, 9).await,
        0
    );
}

#[tokio::test]
async fn a_body_that_fails_is_refused_all_the_same() {
    let broken = StreamBody::new(futures_util::stream::iter([Err::<Frame<Bytes>, _>(
        "broken",
    )]));
    let never = service_fn(
        async |_: Request<_>| -> Result<Response<String>, Infallible> {
            panic!("a write reached the service")
        },
    );
    let post = copy("POST").body(broken).unwrap();
    let answer = ReadOnlyLayer::new()
        .layer(never)
        .oneshot(post)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[test]
fn readiness_is_the_services_own() {
    #[derive(Clone, Debug)]
    struct Busy;

    impl Service<Request<String>> for Busy {
        type Response = Response<String>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("busy"))
        }

        fn call(&mut self, _: Request<String>) -> Self::Future {
            std::future::ready(Err("called"))
        }
    }

    let mut service = ReadOnlyLayer::new().layer(Busy);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert_eq!(service.poll_ready(&mut cx), Poll::Ready(Err("busy")));
}

type Seen = Arc<Mutex<Vec<(Method, Option<String>)>>>;

/// A shadow's server, with the requests that its handlers saw and the number of its connections.
async fn shadow() -> (SocketAddr, Seen, Arc<AtomicUsize>) {
    let seen = Seen::default();
    let note = Arc::clone(&seen);
    let handler = async move |method: Method, by: Option<Extension<Mirrored>>, body: Bytes| {
        let by = by.map(|Extension(copy)| copy.mirror().to_owned());
        note.lock().unwrap().push((method, by));
        body
    };
    let app = Router::new()
        .route("/", any(handler))
        .layer(ReadOnlyLayer::new());
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    let (listener, address) = tower_mirror_testing::net::listen().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::Relaxed);
            let service = TowerToHyperService::new(app.clone());
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (address, seen, count)
}

#[tokio::test]
async fn behind_a_mirror_writes_are_refused_and_the_connection_is_kept() {
    for http2 in [false, true] {
        let (address, seen, connections) = shadow().await;
        let target = HttpTarget::builder(format!("http://{address}"));
        let target = if http2 { target.http2() } else { target };
        let target = target.build().unwrap();
        let mirror = MirrorLayer::builder(target.clone()).name("v2").build();
        let handle = mirror.handle();
        let app = Router::new()
            .route("/", any(async |body: Bytes| body))
            .layer(mirror);

        // The uploads are larger than the rest that hyper would read without the layer.
        let upload = || AxumBody::from(vec![7; 1024 * 1024]);
        for method in [
            Method::POST,
            Method::GET,
            Method::DELETE,
            Method::PUT,
            Method::HEAD,
        ] {
            let body = match method {
                Method::POST | Method::PUT => upload(),
                _ => AxumBody::empty(),
            };
            let request = Request::builder()
                .method(method)
                .uri("/")
                .body(body)
                .unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            answer.into_body().collect().await.unwrap();
            handle.wait_idle().await;
        }

        let stats = handle.stats();
        assert_eq!(stats.outcome(Outcome::Completed), 5, "{stats}");
        let refused = stats.statuses(StatusClass::Success, StatusClass::ClientError);
        assert_eq!(refused, 3, "{stats}");
        let by = || Some("v2".to_owned());
        assert_eq!(
            *seen.lock().unwrap(),
            [(Method::GET, by()), (Method::HEAD, by())]
        );
        assert_eq!(connections.load(Ordering::Relaxed), 1, "http2: {http2}");

        // A request that is not a copy may write.
        let own = Request::post("/")
            .body(http_body_util::Full::<Bytes>::default())
            .unwrap();
        let answer = target.oneshot(own).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(seen.lock().unwrap().last(), Some(&(Method::POST, None)));
    }
}
