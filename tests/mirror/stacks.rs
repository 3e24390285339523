//! Every supported stack compiles, runs, and makes one exact copy.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::{OriginalUri, Request as AxumRequest},
    routing::{any, get, post},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer, service_fn, util::BoxCloneSyncService,
};
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer, trace::TraceLayer};
use tower_mirror::{MirrorHandle, MirrorLayer, Outcome, ShadowBody, TeeBody};

type Copy = (request::Parts, Bytes);

/// A mirror whose shadow passes its copies to the test.
struct Rig {
    layer: MirrorLayer,
    handle: MirrorHandle,
    copies: UnboundedReceiver<Copy>,
}

fn shadow(
    copies: UnboundedSender<Copy>,
) -> impl Service<Request<ShadowBody>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(move |request: Request<ShadowBody>| {
        let copies = copies.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            copies.send((head, body))?;
            Ok(Response::new(Full::default()))
        }
    })
}

impl Rig {
    fn new() -> Self {
        let (sender, copies) = unbounded_channel();
        let layer = MirrorLayer::new(shadow(sender));
        let handle = layer.handle();
        Self {
            layer,
            handle,
            copies,
        }
    }

    /// Returns the only copy. It must have this body.
    async fn copied(&mut self, body: &str) -> request::Parts {
        self.handle.wait_idle().await;
        let stats = self.handle.stats();
        assert_eq!(stats.requests(), 1, "{stats}");
        assert_eq!(stats.outcome(Outcome::Completed), 1, "{stats}");
        let (head, copy) = self.copies.try_recv().expect("a copy");
        assert_eq!(copy, body);
        assert!(self.copies.try_recv().is_err(), "a second copy");
        head
    }
}

async fn echo(body: String) -> String {
    body
}

fn hello() -> AxumRequest {
    let request = Request::post("/echo").header("host", "catalog");
    request.body(axum::body::Body::from("hello")).unwrap()
}

async fn assert_echoes<S, R>(service: S)
where
    S: Service<AxumRequest, Response = Response<R>>,
    S::Error: std::fmt::Debug,
    R: http_body::Body<Data: std::fmt::Debug, Error: std::fmt::Debug>,
{
    let answer = service.oneshot(hello()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
}

fn echo_router() -> Router {
    Router::new().route("/echo", post(echo))
}

#[tokio::test]
async fn axum_router_layer() {
    let mut rig = Rig::new();
    assert_echoes(echo_router().layer(rig.layer.clone())).await;
    rig.copied("hello").await;
}

#[tokio::test]
async fn axum_route_layer() {
    let mut rig = Rig::new();
    assert_echoes(echo_router().route_layer(rig.layer.clone())).await;
    rig.copied("hello").await;
}

#[tokio::test]
async fn axum_method_router_layer() {
    let mut rig = Rig::new();
    assert_echoes(Router::new().route("/echo", post(echo).layer(rig.layer.clone()))).await;
    rig.copied("hello").await;
}

#[tokio::test]
async fn axum_handler_layer() {
    use axum::handler::Handler;
    let mut rig = Rig::new();
    assert_echoes(Router::new().route("/echo", post(echo.layer(rig.layer.clone())))).await;
    rig.copied("hello").await;
}

#[tokio::test]
async fn around_a_whole_axum_router() {
    let mut rig = Rig::new();
    let app = echo_router();
    assert_echoes(rig.layer.layer(app)).await;
    rig.copied("hello").await;

    // `axum::serve` accepts this service.
    let app = rig.layer.layer(Router::<()>::new());
    let _ = axum::ServiceExt::<AxumRequest>::into_make_service(app);
}

#[tokio::test]
async fn an_axum_router_as_the_shadow() {
    let (sender, mut copies) = unbounded_channel();
    let canary = Router::new().route(
        "/echo",
        post(async move |request: AxumRequest| {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            sender.send((head, body)).unwrap();
        }),
    );
    let layer = MirrorLayer::new(canary);
    assert_echoes(
        Router::new()
            .route("/echo", post(echo))
            .layer(layer.clone()),
    )
    .await;
    layer.handle().wait_idle().await;
    assert_eq!(layer.handle().stats().outcome(Outcome::Completed), 1);
    let (head, body) = copies.try_recv().unwrap();
    assert_eq!(body, "hello");
    assert_eq!(head.headers["host"], "catalog-shadow");
}

#[tokio::test]
async fn among_tower_http_layers() {
    let mut rig = Rig::new();
    let app = echo_router().layer(
        ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(rig.layer.clone())
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_secs(5),
            )),
    );
    assert_echoes(app).await;
    rig.copied("hello").await;

    let mut rig = Rig::new();
    let app = Router::new()
        .route("/echo", post(echo))
        .layer(rig.layer.clone())
        .layer(RequestBodyLimitLayer::new(1024));
    assert_echoes(app).await;
    rig.copied("hello").await;
}

#[tokio::test]
async fn over_and_under_towers_own_layers() {
    let mut rig = Rig::new();
    let stack = ServiceBuilder::new()
        .buffer(4)
        .layer(rig.layer.clone())
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(
            async |request: Request<TeeBody<axum::body::Body>>| {
                let body = request.into_body().collect().await?.to_bytes();
                Ok::<_, axum::Error>(Response::new(Full::new(body)))
            },
        ));
    assert_echoes(BoxCloneSyncService::new(stack)).await;
    rig.copied("hello").await;
}

#[tokio::test]
async fn shadows_behind_towers_own_layers() {
    let (sender, mut copies) = unbounded_channel();
    let stack = ServiceBuilder::new()
        .buffer(4)
        .load_shed()
        .concurrency_limit(1)
        .timeout(Duration::from_secs(5))
        .service(shadow(sender));
    let layer = MirrorLayer::new(BoxCloneSyncService::new(stack));
    assert_echoes(
        Router::new()
            .route("/echo", post(echo))
            .layer(layer.clone()),
    )
    .await;
    layer.handle().wait_idle().await;
    assert_eq!(copies.try_recv().unwrap().1, "hello");
}

#[tokio::test]
async fn hyper_util_clients_as_primary_and_as_shadow() {
    let (sender, mut copies) = unbounded_channel();
    let server = Router::new().route(
        "/{who}",
        any(async move |request: AxumRequest| {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            sender.send((head, body.clone())).unwrap();
            body
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, server).into_future());

    let primary: Client<HttpConnector, TeeBody<Full<Bytes>>> =
        Client::builder(TokioExecutor::new()).build_http();
    let bare: Client<HttpConnector, ShadowBody> =
        Client::builder(TokioExecutor::new()).build_http();
    // The target of a copy has no authority: a client without a base address needs one.
    let shadow = bare.map_request(move |mut copy: Request<ShadowBody>| {
        *copy.uri_mut() = format!("http://{address}/shadow").parse().unwrap();
        copy
    });
    let layer = MirrorLayer::new(shadow);
    let request = Request::post(format!("http://{address}/primary"))
        .body(Full::from("hello"))
        .unwrap();
    let answer = layer.layer(primary).oneshot(request).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );

    layer.handle().wait_idle().await;
    assert_eq!(layer.handle().stats().outcome(Outcome::Completed), 1);
    let mut seen = [copies.recv().await.unwrap(), copies.recv().await.unwrap()];
    seen.sort_by_key(|(head, _)| head.uri.path().to_owned());
    let [(primary, first), (shadow, second)] = seen;
    assert_eq!(
        (primary.uri.path(), first),
        ("/primary", Bytes::from("hello"))
    );
    assert_eq!(
        (shadow.uri.path(), second),
        ("/shadow", Bytes::from("hello"))
    );
    // An IP address has no suffix.
    assert_eq!(shadow.headers["host"], address.to_string());
}

#[tokio::test]
async fn a_bare_hyper_util_client_cannot_be_led_to_an_address_of_the_clients_choice() {
    let bare: Client<HttpConnector, ShadowBody> =
        Client::builder(TokioExecutor::new()).build_http();
    let layer = MirrorLayer::new(bare);
    let app = Router::new().route("/", get(async || "primary"));
    let request = Request::get("http://127.0.0.1:1/")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = layer.layer(app).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    layer.handle().wait_idle().await;
    let stats = layer.handle().stats();
    assert_eq!(
        stats.outcome(Outcome::FailedConnect),
        0,
        "the target has opened a connection: {stats}"
    );
    assert_eq!(stats.in_flight(), 0);
    assert_eq!(stats.admitted(), 1);
}

#[tokio::test]
async fn tonic_routes() {
    #[derive(Clone)]
    struct Echo;
    impl tonic::server::NamedService for Echo {
        const NAME: &'static str = "test.Echo";
    }
    impl Service<Request<tonic::body::Body>> for Echo {
        type Response = Response<tonic::body::Body>;
        type Error = Infallible;
        type Future =
            std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
            Box::pin(async move { Ok(Response::new(request.into_body())) })
        }
    }

    let mut rig = Rig::new();
    let routes = tonic::service::Routes::new(Echo);
    let request = Request::post("http://catalog/test.Echo/Say")
        .version(http::Version::HTTP_2)
        .header("te", "trailers")
        .body(tonic::body::Body::new(Full::<Bytes>::from("hello")))
        .unwrap();
    let answer = rig.layer.layer(routes).oneshot(request).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
    let head = rig.copied("hello").await;
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.headers["host"], "catalog-shadow");
    assert_eq!(head.uri, "/test.Echo/Say");
}

#[tokio::test]
async fn nested_routers_give_the_copy_a_shortened_path_unless_the_original_is_carried() {
    let nest = |layer: MirrorLayer| {
        let inner = echo_router().layer(layer);
        Router::new().nest("/api", inner)
    };
    let request = || {
        let request = Request::post("/api/echo?q=1").header("host", "catalog");
        request.body(axum::body::Body::from("hello")).unwrap()
    };

    let mut rig = Rig::new();
    nest(rig.layer.clone()).oneshot(request()).await.unwrap();
    assert_eq!(rig.copied("hello").await.uri, "/echo?q=1");

    let (sender, mut copies) = unbounded_channel();
    let layer = MirrorLayer::builder(shadow(sender))
        .copy_extension::<OriginalUri>()
        .rewrite(|copy| {
            if let Some(OriginalUri(whole)) = copy.extensions.remove() {
                copy.uri = whole;
            }
        })
        .build();
    nest(layer.clone()).oneshot(request()).await.unwrap();
    layer.handle().wait_idle().await;
    assert_eq!(copies.try_recv().unwrap().0.uri, "/api/echo?q=1");
}

#[tokio::test]
async fn several_mirrors_of_one_request() {
    let (mut first, mut second) = (Rig::new(), Rig::new());
    let app = Router::new()
        .route("/echo", post(echo))
        .layer(first.layer.clone())
        .layer(second.layer.clone());
    assert_echoes(app).await;
    first.copied("hello").await;
    second.copied("hello").await;
}
