//! A primary, a shadow and a baseline whose answers are closures, and the comparison of them.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::{Layer, Service, ServiceExt};
use tower_mirror::{
    BoxError, MirrorLayer, ShadowBody, TeeBody,
    compare::{Compare, CompareHandle, CompareLayer, CompareReport, DropReason},
    mirror::MirrorBuilder,
};

pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Answering =
    Pin<Box<dyn Future<Output = Result<Response<AnyBody>, BoxError>> + Send>>;

/// A service that answers as a closure says.
#[derive(Clone)]
pub(crate) struct App(Arc<dyn Fn(Request<Bytes>) -> Answering + Send + Sync>);

impl App {
    pub(crate) fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<AnyBody>, BoxError>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }

    /// Answers at once.
    pub(crate) fn at_once(
        answer: impl Fn(&Request<Bytes>) -> Response<AnyBody> + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |request| {
            let answer = answer(&request);
            async move { Ok(answer) }
        })
    }

    /// JSON, by the number of the request among those that this app has got.
    pub(crate) fn counting(text: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
        let count = AtomicU64::new(0);
        Self::at_once(move |_| json(text(count.fetch_add(1, Relaxed))))
    }

    /// The same JSON in each answer.
    pub(crate) fn constant(text: &'static str) -> Self {
        Self::at_once(move |_| json(text))
    }

    /// An app that must not be called.
    pub(crate) fn failing() -> Self {
        Self::new(async |_| Err("refused".into()))
    }
}

pub(crate) fn full(body: impl Into<Bytes>) -> AnyBody {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(crate) fn json(body: impl Into<Bytes>) -> Response<AnyBody> {
    let answer = Response::builder().header("content-type", "application/json");
    answer.body(full(body)).unwrap()
}

pub(crate) fn status(status: u16) -> Response<AnyBody> {
    let mut answer = Response::new(full(""));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

macro_rules! answers {
    ($($body:ty, [$($generic:tt)*]);* $(;)?) => {$(
        impl<$($generic)*> Service<Request<$body>> for App {
            type Response = Response<AnyBody>;
            type Error = BoxError;
            type Future = Answering;

            fn poll_ready(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Result<(), BoxError>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<$body>) -> Answering {
                let (head, body) = request.into_parts();
                let app = Arc::clone(&self.0);
                Box::pin(async move {
                    let body = body.collect().await.map_or_else(
                        |_| Bytes::new(),
                        |body| body.to_bytes(),
                    );
                    app(Request::from_parts(head, body)).await
                })
            }
        }
    )*};
}

answers! {
    ShadowBody, [];
    TeeBody<B>, [B: Body<Data = Bytes> + Send + 'static];
}

/// One comparison with its primary.
pub(crate) struct Rig {
    pub(crate) layer: CompareLayer,
    pub(crate) handle: CompareHandle,
    primary: App,
}

/// Answers that wait for the thread; a test must not send more at once.
const BATCH: u64 = 32;

impl Rig {
    /// Without a warm-up, and with a whole core for the thread.
    pub(crate) fn new(compare: Compare, primary: App, shadow: App) -> Self {
        Self::with(compare, primary, MirrorLayer::builder(shadow))
    }

    pub(crate) fn with(compare: Compare, primary: App, mirror: MirrorBuilder) -> Self {
        let compare = compare.warm_up(0).duty(1.0);
        let mirror = mirror.route_label(|_| Some("/items"));
        let layer = compare.layer(mirror.name("catalog-v2")).unwrap();
        Self {
            handle: layer.handle(),
            layer,
            primary,
        }
    }

    /// Three apps, nothing else decided.
    pub(crate) fn of(primary: App, shadow: App, baseline: App) -> Self {
        Self::new(Compare::with_baseline(baseline), primary, shadow)
    }

    /// One answer, with its body.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, BoxError> {
        let answer = self
            .layer
            .layer(self.primary.clone())
            .oneshot(request)
            .await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// The report after this one request.
    pub(crate) async fn report_of(&self, request: Request<Full<Bytes>>) -> CompareReport {
        let _ = self.ask(request).await;
        self.settled().await
    }

    pub(crate) async fn settled(&self) -> CompareReport {
        self.layer.mirror().wait_idle().await;
        self.handle.wait_idle().await;
        assert_eq!(self.handle.held_bytes(), 0);
        self.handle.report()
    }

    /// So many requests without anything special.
    pub(crate) async fn ask_many(&self, requests: u64) {
        for sent in 1..=requests {
            self.ask(get("/items")).await.unwrap();
            if sent % BATCH == 0 {
                self.handle.wait_idle().await;
            }
        }
        self.handle.wait_idle().await;
    }

    /// So many requests in each of so many blocks. The time must be paused.
    pub(crate) async fn ask_in_blocks(&self, blocks: u64, requests: u64) -> CompareReport {
        for _ in 0..blocks {
            self.ask_many(requests).await;
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        self.settled().await
    }
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// Of the one request, nothing was compared, for this reason.
#[track_caller]
pub(crate) fn assert_dropped(report: &CompareReport, reason: DropReason) {
    assert_eq!(report.compared, 0, "{report}");
    assert_eq!(report.not_compared, [(reason, 1)], "{report}");
}

/// Of the one request, these differ only in the shadow: `path kind`.
#[track_caller]
pub(crate) fn assert_differs(report: &CompareReport, expected: &[&str]) {
    assert_eq!(report.compared, 1, "{report}");
    let paths = report.routes[0].paths.iter();
    let paths = paths.filter(|path| path.shadow_only > 0);
    let mut found: Vec<_> = paths
        .map(|path| format!("{} {}", path.path, path.kind))
        .collect();
    found.sort();
    assert_eq!(found, expected, "{report}");
    let counts = report.routes[0].tally.requests();
    assert_eq!(
        counts.shadow_only(),
        u64::from(!expected.is_empty()),
        "{report}"
    );
}
