//! How an `HttpTarget` resolves its host: one lookup at a time, whose answer or error all dials share.
//!
//! Most tests run in paused time, where a timer that nothing else precedes fires at once. A dial that reaches a listener
//! of this process, or a port without a listener, needs no time.

use std::{
    convert::Infallible,
    error::Error as StdError,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
    vec,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Empty;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
    time::advance,
};
use tokio_test::{assert_pending, task};
use tower::{Service, service_fn};
use tower_mirror::client::{Error, HttpTarget, HttpTargetBuilder, Name};

type BoxError = Box<dyn StdError + Send + Sync>;
type Answer = Result<Vec<SocketAddr>, &'static str>;

/// A resolver that counts its lookups. It answers what `answer` holds, and waits while it holds nothing.
#[derive(Clone)]
struct Names {
    counts: Arc<Counts>,
    answer: Arc<watch::Sender<Option<Answer>>>,
}

#[derive(Default)]
struct Counts {
    started: AtomicUsize,
    under_way: AtomicUsize,
    peak: AtomicUsize,
}

/// Counts a lookup as under way while it lives.
struct UnderWay(Arc<Counts>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

impl Names {
    fn new() -> Self {
        Self {
            counts: Arc::default(),
            answer: Arc::new(watch::Sender::new(None)),
        }
    }

    fn answer(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        self.answer.send_replace(Some(Ok(addresses.collect())));
    }

    fn fail(&self, error: &'static str) {
        self.answer.send_replace(Some(Err(error)));
    }

    fn hang(&self) {
        self.answer.send_replace(None);
    }

    fn started(&self) -> usize {
        self.counts.started.load(SeqCst)
    }

    fn under_way(&self) -> usize {
        self.counts.under_way.load(SeqCst)
    }

    fn builder(&self, port: u16) -> HttpTargetBuilder {
        let target = HttpTarget::builder(format!("http://catalog.test:{port}"));
        target.resolver(self.clone())
    }

    fn target(&self, port: u16) -> HttpTarget {
        self.builder(port).build().unwrap()
    }
}

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        assert_eq!(name.as_str(), "catalog.test");
        let counts = self.counts.clone();
        counts.started.fetch_add(1, SeqCst);
        let now = counts.under_way.fetch_add(1, SeqCst) + 1;
        counts.peak.fetch_max(now, SeqCst);
        let mut answers = self.answer.subscribe();
        Box::pin(async move {
            let _under_way = UnderWay(counts);
            let answer = answers.wait_for(Option::is_some).await?;
            let addresses = answer.clone().expect("an answer")?;
            Ok(addresses.into_iter())
        })
    }
}

async fn ready(target: &HttpTarget) -> Result<HttpTarget, Error> {
    let mut target = target.clone();
    poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut target, cx)).await?;
    Ok(target)
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn io_kind(error: &Error) -> io::ErrorKind {
    assert!(error.is_connect());
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.kind();
        }
        source = error.source();
    }
    panic!("no io::Error among the sources of {error:?}");
}

fn text(error: &dyn StdError) -> String {
    let source = error.source().map(text).unwrap_or_default();
    format!("{error}: {source}")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_dials_share_one_lookup() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    let target = names
        .builder(port)
        .connect_timeout(Duration::MAX)
        .build()
        .unwrap();
    let dials = (0..20).map(|_| tokio::spawn(dial(target.clone())));
    let dials: Vec<_> = dials.collect();
    async fn dial(target: HttpTarget) -> Result<HttpTarget, Error> {
        ready(&target).await
    }
    settle().await;
    assert_eq!((names.started(), names.under_way()), (1, 1));
    names.answer(&["127.0.0.1:0"]);
    for dial in join_all(dials).await {
        dial.unwrap().unwrap();
    }
    assert_eq!(names.started(), 1);
    assert_eq!(names.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_outlives_the_dials_that_wait_for_it() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    let target = names.target(port);
    // Each fails at its own limit, one second, and joins the lookup of those before.
    for _ in 0..20 {
        let dials = join_all((0..5).map(|_| ready(&target))).await;
        for dial in dials {
            assert_eq!(io_kind(&dial.unwrap_err()), io::ErrorKind::TimedOut);
        }
        assert_eq!((names.started(), names.under_way()), (1, 1));
        assert_eq!(target.connections(), 0);
    }
    // It ends while no dial waits for it, and its answer is there for the next.
    names.answer(&["127.0.0.1:0"]);
    settle().await;
    assert_eq!(names.under_way(), 0);
    names.hang();
    ready(&target).await.unwrap();
    assert_eq!(names.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_seconds_and_then_renewed_without_a_wait() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    names.answer(&["127.0.0.1:0"]);
    let target = names.target(port);
    let mut held = vec![ready(&target).await.unwrap()];
    advance(Duration::from_millis(4_900)).await;
    names.hang();
    held.push(ready(&target).await.unwrap());
    assert_eq!(names.started(), 1);

    // From now on a lookup is under way that never ends: the old answer serves.
    for _ in 0..5 {
        advance(Duration::from_secs(5)).await;
        held.push(ready(&target).await.unwrap());
        settle().await;
        assert_eq!((names.started(), names.under_way()), (2, 1));
    }
    // It is not served for ever.
    advance(Duration::from_secs(60)).await;
    let error = ready(&target).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_answer_replaces_the_old_one() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    names.answer(&["127.0.0.1:0"]);
    let target = names.target(port);
    let _held = ready(&target).await.unwrap();
    // This port has no listener.
    names.answer(&["127.0.0.2:0"]);
    advance(Duration::from_secs(6)).await;
    let _held = (_held, ready(&target).await.unwrap());
    settle().await;
    let error = ready(&target).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::ConnectionRefused);
    assert_eq!(names.started(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_failed_is_not_looked_up_again_at_once() {
    let names = Names::new();
    names.fail("no such name here");
    let target = names.target(80);
    // The pause doubles with each failure, up to five seconds.
    for (lookups, pause) in [(1, 1_000), (2, 2_000), (3, 4_000), (4, 5_000), (5, 5_000)] {
        for at in [0, pause - 100] {
            advance(Duration::from_millis(at)).await;
            for dial in join_all((0..5).map(|_| ready(&target))).await {
                let error = dial.unwrap_err();
                io_kind(&error);
                assert!(text(&error).contains("no such name here"), "{error:?}");
            }
            assert_eq!(names.started(), lookups);
        }
        advance(Duration::from_millis(200)).await;
    }
    // An answer ends it, and the next failure begins anew.
    let (_listener, port) = listen().await;
    let target = names.target(port);
    ready(&target).await.unwrap_err();
    advance(Duration::from_millis(1_100)).await;
    names.answer(&["127.0.0.1:0"]);
    let _held = ready(&target).await.unwrap();
    advance(Duration::from_secs(61)).await;
    names.fail("again");
    ready(&target).await.unwrap_err();
    let lookups = names.started();
    advance(Duration::from_millis(1_100)).await;
    ready(&target).await.unwrap_err();
    assert_eq!(names.started(), lookups + 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_the_last_answer_in_use() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    names.answer(&["127.0.0.1:0"]);
    let target = names.target(port);
    let mut held = vec![ready(&target).await.unwrap()];
    names.fail("the name server restarts");
    for _ in 0..3 {
        advance(Duration::from_secs(6)).await;
        held.push(ready(&target).await.unwrap());
        settle().await;
    }
    assert_eq!(names.started(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_address_is_a_failure() {
    let names = Names::new();
    names.answer(&[]);
    let target = names.target(80);
    for _ in 0..2 {
        let error = ready(&target).await.unwrap_err();
        assert_eq!(io_kind(&error), io::ErrorKind::NotFound);
    }
    assert_eq!(names.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_without_end_is_replaced_never_joined_by_a_second() {
    let names = Names::new();
    let target = names.target(80);
    for second in 0..95 {
        ready(&target).await.unwrap_err();
        assert_eq!(names.started(), second / 30 + 1, "{second} s");
    }
    assert_eq!(names.counts.peak.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_ends_with_its_target() {
    let names = Names::new();
    let target = names.target(80);
    ready(&target).await.unwrap_err();
    assert_eq!(names.under_way(), 1);
    drop(target);
    settle().await;
    assert_eq!(names.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_panics_costs_a_connection_and_no_more() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let resolver = service_fn(move |_: Name| {
        count.fetch_add(1, SeqCst);
        async {
            if true {
                panic!("in a resolver");
            }
            Ok::<_, Infallible>(std::iter::empty::<SocketAddr>())
        }
    });
    let target = HttpTarget::builder("http://catalog.test");
    let target = target.resolver(resolver).build().unwrap();
    for dial in join_all((0..5).map(|_| ready(&target))).await {
        let error = dial.unwrap_err();
        io_kind(&error);
        assert!(text(&error).contains("the resolver panicked"), "{error:?}");
    }
    assert_eq!(calls.load(SeqCst), 1);
    advance(Duration::from_secs(2)).await;
    ready(&target).await.unwrap_err();
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_is_never_ready_is_never_called() {
    #[derive(Clone)]
    struct NeverReady;
    impl Service<Name> for NeverReady {
        type Response = std::iter::Empty<SocketAddr>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }

        fn call(&mut self, _: Name) -> Self::Future {
            unreachable!("it was not ready")
        }
    }
    let target = HttpTarget::builder("http://catalog.test");
    let target = target.resolver(NeverReady).build().unwrap();
    let error = ready(&target).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn an_address_is_never_looked_up() {
    let (_listener, port) = listen().await;
    let resolver = service_fn(
        async |_: Name| -> Result<vec::IntoIter<SocketAddr>, Infallible> { panic!("looked up") },
    );
    let target = HttpTarget::builder(format!("http://127.0.0.1:{port}")).resolver(resolver);
    ready(&target.build().unwrap()).await.unwrap();
    // Refused, or unreachable where there is no IPv6: not looked up in any case.
    let target = HttpTarget::builder("http://[::1]:1").resolver(resolver);
    let error = ready(&target.build().unwrap()).await.unwrap_err();
    assert!(!text(&error).contains("resolve"), "{error:?}");
}

#[tokio::test]
async fn the_port_is_the_urls() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    names.answer(&["127.0.0.1:1"]);
    ready(&names.target(port)).await.unwrap();
}

#[tokio::test]
async fn the_system_resolves_where_no_resolver_is_set() {
    let (_listener, port) = listen().await;
    let target = HttpTarget::builder(format!("http://localhost:{port}"));
    let target = target
        .connect_timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    for dial in join_all((0..20).map(|_| ready(&target))).await {
        dial.unwrap();
    }
    let target = HttpTarget::builder("http://no.such.name.invalid");
    let target = target
        .connect_timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let error = ready(&target).await.unwrap_err();
    io_kind(&error);
    assert!(text(&error).contains("cannot be resolved"), "{error:?}");
}

// ===== Addresses =====

/// A listener at this address whose queue is full: Linux does not answer further clients.
#[cfg(target_os = "linux")]
fn unresponsive(address: &str, port: u16) -> impl Sized {
    use std::net::TcpStream;
    let runtime = runtime();
    let _guard = runtime.enter();
    let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4().unwrap(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6().unwrap(),
    };
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
        assert!(queued.len() < 64, "the queue never fills");
    }
    let listener = listener.into_std().unwrap();
    (listener, queued)
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_respond_leaves_time_for_the_next() {
    let (_listener, port) = listen().await;
    let _full = std::thread::spawn(move || unresponsive("127.0.0.2", port)).join();
    let names = Names::new();
    names.answer(&["127.0.0.2:0", "127.0.0.1:0"]);
    ready(&names.target(port)).await.unwrap();
    // Among too many addresses the shares would be too small; the first ones of each family are tried.
    let many = ["127.0.0.2:0"; 4].into_iter().chain(["127.0.0.1:0"; 100]);
    let names = Names::new();
    names.answer(&many.collect::<Vec<_>>());
    let error = ready(&names.target(port)).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::TimedOut);
}

/// Its first family, of one address, does not respond, and the other one does not wait until the time of the first is over.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_family_that_does_not_respond_is_raced_with_the_other() {
    let (_listener, port) = listen().await;
    let names = Names::new();
    let full = std::thread::spawn(move || unresponsive("[::1]", port)).join();
    let Ok(_full) = full else {
        return eprintln!("This machine has no IPv6, so there is nothing to race.");
    };
    names.answer(&["[::1]:0", "127.0.0.1:0"]);
    let target = names
        .builder(port)
        .connect_timeout(Duration::from_secs(3600));
    let begun = tokio::time::Instant::now();
    ready(&target.build().unwrap()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn an_address_of_the_other_family_is_tried_too() {
    let (_listener, port) = listen().await;
    // This port has no listener, or there is no IPv6.
    let names = Names::new();
    names.answer(&[
        "[::1]:0",
        "[::1]:0",
        "[::1]:0",
        "[::1]:0",
        "[::1]:0",
        "127.0.0.1:0",
    ]);
    ready(&names.target(port)).await.unwrap();
}

// ===== Runtimes =====

fn patient(names: &Names, port: u16) -> HttpTarget {
    let builder = names.builder(port);
    builder
        .connect_timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// A dial that waits on this runtime for the lookup, and is not polled again.
fn waiting<'a>(
    runtime: &Runtime,
    target: &'a HttpTarget,
) -> task::Spawn<impl Future<Output = Result<HttpTarget, Error>> + use<'a>> {
    let mut dial = task::spawn(ready(target));
    runtime.block_on(async {
        assert_pending!(dial.poll());
    });
    dial
}

#[test]
fn the_end_of_the_runtime_of_a_lookup_starts_another() {
    let (first, second) = (runtime(), runtime());
    let (_listener, port) = second.block_on(listen());
    let names = Names::new();
    let target = patient(&names, port);
    let _start = waiting(&first, &target);
    let mut joined = waiting(&second, &target);
    assert_eq!((names.started(), names.under_way()), (1, 1));
    drop(first);
    second.block_on(async {
        assert_pending!(joined.poll());
    });
    assert_eq!((names.started(), names.under_way()), (2, 1));
    names.answer(&["127.0.0.1:0"]);
    second.block_on(joined).unwrap();
    assert_eq!(names.counts.peak.load(SeqCst), 1);
}

#[test]
fn a_runtime_that_is_not_driven_holds_no_dial_of_another_up() {
    let (still, driven) = (runtime(), runtime());
    let (_listener, port) = driven.block_on(listen());
    let names = Names::new();
    let target = patient(&names, port);
    let _start = waiting(&still, &target);
    names.answer(&["127.0.0.1:0"]);
    driven.block_on(ready(&target)).unwrap();
    assert_eq!(names.started(), 1);
}

#[test]
fn a_runtime_without_io_and_timers_resolves_nothing() {
    let names = Names::new();
    let target = names.target(80);
    let bare = Builder::new_current_thread().build().unwrap();
    io_kind(&bare.block_on(ready(&target)).unwrap_err());
    assert_eq!(names.started(), 0);
    // With timers only, there is an address, and no way to dial it.
    names.answer(&["127.0.0.1:0"]);
    let timers = Builder::new_current_thread().enable_time().build().unwrap();
    io_kind(&timers.block_on(ready(&target)).unwrap_err());
    assert_eq!(names.started(), 1);
}

#[test]
fn a_target_is_used_from_runtimes_that_come_and_go() {
    let main = runtime();
    let (_listener, port) = main.block_on(listen());
    let names = Names::new();
    let target = names
        .builder(port)
        .connect_timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    for _ in 0..20 {
        let mut dial = task::spawn(ready(&target));
        runtime().block_on(async {
            assert_pending!(dial.poll());
        });
    }
    names.answer(&["127.0.0.1:0"]);
    main.block_on(ready(&target)).unwrap();
    assert_eq!(names.counts.peak.load(SeqCst), 1);
}
