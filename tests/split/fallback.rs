//! S5: the kinds of subsets whose requests are moved to the fallback when they are busy or down,
//! and the other kinds.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, time::Instant};
use tower::{
    Service, ServiceBuilder, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit,
    load_shed::LoadShed, load_shed::error::Overloaded, service_fn, timeout::Timeout,
    timeout::error::Elapsed, util::BoxCloneSyncService,
};
use tower_mirror::{BoxError, HttpTarget, SplitHandle, WeightedSplit, client};
use tower_mirror_testing::split::served;

type Subset = BoxCloneSyncService<Request<String>, Response<&'static str>, BoxError>;

const TIMEOUT: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(20);

fn boxed<S>(service: S) -> Subset
where
    S: Service<Request<String>, Response = Response<&'static str>, Error: Into<BoxError>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(service.map_err(Into::into))
}

/// A service that answers after twenty seconds.
fn slow() -> impl Service<
    Request<String>,
    Response = Response<&'static str>,
    Error = BoxError,
    Future: Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    service_fn(async |_: Request<String>| {
        tokio::time::sleep(SLOW).await;
        Ok::<_, BoxError>(Response::new("v2"))
    })
}

/// Creates a split that sends all requests to `v2`, with the fallback `v1`.
fn falling(v2: Subset, ready_timeout: Duration) -> (WeightedSplit<Subset>, SplitHandle) {
    let v1 = service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new("v1")));
    let split = WeightedSplit::builder("catalog")
        .subset("v1", 0, boxed(v1))
        .subset("v2", 1, v2)
        .fallback("v2", "v1")
        .ready_timeout(ready_timeout)
        .build()
        .expect("a valid split");
    let handle = split.handle();
    (split, handle)
}

/// The result of a request to a subset whose only place is taken.
#[tokio::test(start_paused = true)]
async fn busy_subsets() {
    let limited = || ConcurrencyLimit::new(slow(), 1);
    type Expected = Result<&'static str, fn(&BoxError) -> bool>;
    let cases: [(&str, Subset, Expected, Duration); 4] = [
        ("ConcurrencyLimit", boxed(limited()), Ok("v1"), TIMEOUT),
        // The requests are accepted into the queue. They are answered later.
        (
            "Buffer that is not full",
            boxed(Buffer::new(limited(), 2)),
            Ok("v2"),
            2 * SLOW,
        ),
        (
            "LoadShed",
            boxed(LoadShed::new(limited())),
            Err(|e| e.is::<Overloaded>()),
            Duration::ZERO,
        ),
        (
            "Timeout",
            boxed(Timeout::new(slow(), 2 * TIMEOUT)),
            Err(|e| e.is::<Elapsed>()),
            2 * TIMEOUT,
        ),
    ];
    for (kind, v2, expected, after) in cases {
        let (split, handle) = falling(v2, TIMEOUT);
        let send = || split.clone().call(Request::new(String::new()));
        let begun = Instant::now();
        let first = tokio::spawn(send());
        tokio::task::yield_now().await;
        let answered = send().await;
        assert_eq!(begun.elapsed(), after, "{kind}");
        match (&answered, expected) {
            (Ok(answer), Ok(subset)) => {
                assert_eq!(*answer.body(), subset, "{kind}");
                assert_eq!(&*served(answer).subset, subset, "{kind}");
            }
            (Err(error), Err(is_expected)) => assert!(is_expected(error), "{kind}: {error}"),
            _ => panic!("{kind}: {answered:?}"),
        }
        let stats = handle.stats();
        let moved = u64::from(kind == "ConcurrencyLimit");
        assert_eq!(stats.subset("v1").unwrap().fallback, moved, "{kind}");
        assert_eq!(stats.subset("v2").unwrap().weighted, 2 - moved, "{kind}");

        // The request that was moved has not kept the subset's permit.
        let is_slow = kind == "Timeout";
        assert_eq!(first.await.unwrap().is_err(), is_slow, "{kind}");
        let third = send().await;
        assert_eq!(third.is_err(), is_slow, "{kind}");
        assert!(third.is_err() || *third.unwrap().body() == "v2", "{kind}");
    }
}

async fn dead_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// A subset that needs an hour to become ready. If something waits for it, the test fails at its
/// deadline.
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_http_target_that_is_dead_falls_back_at_once() {
    let url = dead_port().await;
    let builder = HttpTarget::builder(&url);
    for builder in [builder.clone(), builder.http2()] {
        let target = builder.build().unwrap();
        let named = |answer: Response<client::ResponseBody>| answer.map(|_| "v2");
        let v2 = boxed(ServiceBuilder::new().map_response(named).service(target));
        let (mut split, handle) = falling(v2.clone(), HOUR);
        for _ in 0..3 {
            let answer = split.call(Request::new("hello".to_owned())).await.unwrap();
            assert_eq!(*answer.body(), "v1");
        }
        let stats = handle.stats();
        assert_eq!(stats.subset("v1").unwrap().fallback, 3, "{stats}");
        assert_eq!(stats.subset("v2").unwrap().unready, 3, "{stats}");

        // Without a fallback, the error is returned unchanged.
        let alone = WeightedSplit::builder("alone").subset("v2", 1, v2);
        let mut alone = alone.ready_timeout(HOUR).build().unwrap();
        let error = alone.call(Request::new(String::new())).await.unwrap_err();
        let error: &client::Error = error.downcast_ref().expect("an error of the target");
        assert!(error.is_connect(), "{error}");
    }
}

/// This client connects when it is called, which is too late for a fallback.
#[tokio::test]
async fn a_legacy_client_to_a_dead_port_fails() {
    let client = Client::builder(TokioExecutor::new()).build_http::<String>();
    let named = |answer: Response<hyper::body::Incoming>| answer.map(|_| "v2");
    let v2 = boxed(ServiceBuilder::new().map_response(named).service(client));
    let (mut split, handle) = falling(v2, HOUR);
    let request = Request::get(dead_port().await).body(String::new()).unwrap();
    let error = split.call(request).await.unwrap_err();
    let error: &hyper_util::client::legacy::Error =
        error.downcast_ref().expect("an error of the client");
    assert!(error.is_connect(), "{error}");
    let stats = handle.stats();
    assert_eq!(stats.subset("v1").unwrap().fallback, 0, "{stats}");
    assert_eq!(stats.subset("v2").unwrap().weighted, 1, "{stats}");
}
