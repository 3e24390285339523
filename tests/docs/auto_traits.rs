//! The auto traits of the public types (`Send`, `Sync`, `Unpin`), their `Clone`, and their few
//! bounds.

use std::{cell::Cell, convert::Infallible, fmt::Debug, marker::PhantomPinned, rc::Rc, task};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{Layer, Service};
use tower_mirror::{
    BodyMode, BoxError, Draw, EmptyResponse, Force, HostRewrite, Key, Mirror, MirrorBuilder,
    MirrorHandle, MirrorLayer, MirrorStats, Outcome, Report, RequestHead, SampleRate, ServedBy,
    ShadowBody, SplitHandle, TeeBody, WeightedSplit, WeightedSplitLayer,
    body::ShadowBodyError,
    mirror::{DrainReport, Mirroring, ResponseFuture},
    observe::{PrimaryReport, ShadowReport, StatusClass},
    receive::{self, Mirrored, ReadOnly, ReadOnlyLayer},
    rewrite::InvalidHost,
    sample::InvalidRate,
    split::{
        self, BoxedSubset, ForceSource, InvalidSplit, InvalidWeights, Preview, Reason, SplitStats,
        SubsetStats, Unavailable, WeightTable, WeightedSplitBuilder, WeightedSplitLayerBuilder,
    },
};

fn threads<T: Send + Sync + Unpin + Debug>() {}
fn owned<T: Send + Sync + Unpin + Debug + 'static>() {}
fn cloned<T: Clone + Send + Sync + Unpin + Debug + 'static>() {}
fn copied<T: Copy + Eq + Send + Sync + Unpin + Debug + 'static>() {}
fn sent<T: Send + 'static>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

type Primary = fn(Request<TeeBody<Full<Bytes>>>) -> Answer;
type Answer = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

#[test]
fn every_type_crosses_threads() {
    threads::<RequestHead<'static>>();
    owned::<MirrorBuilder>();
    owned::<ShadowBody>();
    owned::<TeeBody<Full<Bytes>>>();
    owned::<ResponseFuture<Answer>>();
    cloned::<MirrorLayer>();
    cloned::<MirrorHandle>();
    cloned::<Mirror<tower::util::ServiceFn<Primary>>>();
    cloned::<Draw>();
    cloned::<Key>();
    cloned::<HostRewrite>();
    cloned::<RequestHead<'static>>();
    cloned::<Report>();
    cloned::<PrimaryReport>();
    cloned::<ShadowReport>();
    cloned::<MirrorStats>();
    cloned::<Mirrored>();
    cloned::<ReadOnlyLayer>();
    cloned::<ReadOnly<tower::util::ServiceFn<Primary>, EmptyResponse>>();
    copied::<EmptyResponse>();
    owned::<receive::ResponseFuture<Answer, Full<Bytes>, Full<Bytes>>>();
    cloned::<InvalidHost>();
    cloned::<InvalidRate>();
    copied::<BodyMode>();
    #[cfg(feature = "metrics")]
    cloned::<tower_mirror::metrics::MetricsObserver>();
    copied::<Outcome>();
    copied::<SampleRate>();
    copied::<StatusClass>();
    copied::<DrainReport>();
    copied::<Mirroring>();
    error::<InvalidHost>();
    error::<InvalidRate>();
    error::<ShadowBodyError>();
    let _: BoxError = "any error".into();
}

#[cfg(feature = "compare")]
#[test]
fn every_type_of_the_comparison_crosses_threads() {
    use tower_mirror::compare::{
        BaselineKind, Compare, CompareError, CompareFuture, CompareHandle, CompareLayer,
        CompareReport, CompareService, ComparedBody, DifferenceReport, DropReason, VerdictBody,
        VerdictFuture, VerdictService,
    };
    owned::<Compare>();
    cloned::<CompareLayer>();
    cloned::<CompareService<tower::util::ServiceFn<Primary>>>();
    cloned::<CompareHandle>();
    cloned::<CompareReport>();
    cloned::<DifferenceReport>();
    cloned::<VerdictService>();
    owned::<CompareFuture<Answer>>();
    owned::<ComparedBody<Full<Bytes>>>();
    owned::<VerdictBody>();
    owned::<VerdictFuture>();
    copied::<BaselineKind>();
    copied::<DropReason>();
    error::<CompareError>();
}

type Subset = tower::util::ServiceFn<fn(Request<Full<Bytes>>) -> Answer>;
type Boxed = BoxedSubset<Full<Bytes>, Full<Bytes>, Infallible>;
type BoxedFuture = <Boxed as Service<Request<Full<Bytes>>>>::Future;

#[test]
fn every_type_of_the_split_crosses_threads() {
    cloned::<WeightedSplit<Subset>>();
    cloned::<WeightedSplitLayer<Boxed>>();
    cloned::<WeightedSplit<Subset, EmptyResponse, Boxed>>();
    cloned::<Boxed>();
    cloned::<SplitHandle>();
    cloned::<Force>();
    cloned::<ForceSource>();
    cloned::<ServedBy>();
    cloned::<Reason>();
    cloned::<Unavailable>();
    cloned::<WeightTable>();
    cloned::<Preview>();
    cloned::<SplitStats>();
    cloned::<SubsetStats>();
    cloned::<InvalidSplit>();
    cloned::<InvalidWeights>();
    owned::<WeightedSplitBuilder<Subset>>();
    owned::<WeightedSplitLayerBuilder<Boxed>>();
    error::<InvalidSplit>();
    error::<InvalidWeights>();
    // Futures contain a timer, so they must be pinned when they are polled.
    sent::<split::ResponseFuture<Subset, Subset, Full<Bytes>, Answer, Answer, EmptyResponse>>();
    sent::<split::ResponseFuture<Subset, Boxed, Full<Bytes>, Answer, BoxedFuture, EmptyResponse>>();
}

/// No type of the mirror contains the type of the shadow, which may even have no `Debug`.
#[test]
fn the_layer_has_no_type_parameter() {
    #[derive(Clone)]
    struct Silent;

    impl Service<Request<ShadowBody>> for Silent {
        type Response = Response<Full<Bytes>>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Self::Response, BoxError>>;

        fn poll_ready(&mut self, _cx: &mut task::Context<'_>) -> task::Poll<Result<(), BoxError>> {
            task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Request<ShadowBody>) -> Self::Future {
            std::future::ready(Err("no answer".into()))
        }
    }

    let other = tower::service_fn(async |_: Request<ShadowBody>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let layers: [MirrorLayer; 2] = [MirrorLayer::new(Silent), MirrorLayer::new(other)];
    assert!(format!("{layers:?}").contains("MirrorLayer"));
}

/// A body that is neither `Sync`, `Unpin` nor `Debug`, with an error that implements nothing. It
/// must be `Send` and `'static`, as the bodies of all servers are, because the copy's task may read
/// the rest that the primary has not read.
struct Bare {
    text: String,
    read: Cell<bool>,
    _pinned: PhantomPinned,
}

struct NoError;

impl Body for Bare {
    type Data = Bytes;
    type Error = NoError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, NoError>>> {
        let is_first = !self.read.replace(true);
        let text = Bytes::copy_from_slice(self.text.as_bytes());
        task::Poll::Ready(is_first.then_some(Ok(Frame::data(text))))
    }
}

/// A primary that implements none of these traits either, and borrows.
struct BarePrimary<'a>(&'a Cell<u32>);

impl<B: Body<Data = Bytes, Error = NoError>> Service<Request<B>> for BarePrimary<'_> {
    type Response = Response<Rc<()>>;
    type Error = NoError;
    type Future = std::future::Ready<Result<Self::Response, NoError>>;

    fn poll_ready(&mut self, _cx: &mut task::Context<'_>) -> task::Poll<Result<(), NoError>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        self.0.set(self.0.get() + 1);
        std::future::ready(Ok(Response::new(Rc::new(()))))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_of_the_primary_or_its_body() {
    let shadow = tower::service_fn(async |_: Request<ShadowBody>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mirror = MirrorLayer::new(shadow);
    let calls = Cell::new(0);
    let mut service = mirror.layer(BarePrimary(&calls));
    let body = Bare {
        text: String::from("hello"),
        read: Cell::default(),
        _pinned: PhantomPinned,
    };
    assert!(service.call(Request::new(body)).await.is_ok());
    assert_eq!(calls.get(), 1);
    mirror.handle().wait_idle().await;
    assert_eq!(mirror.handle().stats().outcome(Outcome::Unread), 1);
}
