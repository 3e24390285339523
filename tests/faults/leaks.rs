//! Resources that a bad shadow must not accumulate with each copy while the target lives.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use http::{Request, header::HeaderValue};
use http_body_util::Full;
use tokio::{task::yield_now, time::timeout};
use tower::{Layer, ServiceExt};
use tower_mirror::{BodyMode, HttpTarget, MirrorHandle, MirrorLayer, MirrorStats, Outcome};

use crate::{
    cell::{DESCRIPTORS, descriptors, runtime, tasks},
    front::{Digest, pattern},
    shadow::{Shadow, hold},
};
use tower_mirror_testing::{frames::*, net::HANG};

/// An extension of each request. It shows whether some code still owns the request.
#[derive(Clone, Debug)]
struct Token(#[allow(dead_code)] Arc<()>);

fn mirror(shadow: &Shadow, http2: bool, mode: BodyMode) -> (MirrorLayer, HttpTarget) {
    let target = HttpTarget::builder(format!("http://{}", shadow.address));
    let target = if http2 { target.http2() } else { target };
    let target = target
        .write_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let layer = MirrorLayer::builder(target.clone())
        .copy_extension::<Token>()
        .body_mode(mode)
        .max_buffered_bytes(256 << 20)
        .timeout(Duration::from_millis(50))
        .build();
    (layer, target)
}

async fn send(layer: &MirrorLayer, token: &Token, copies: usize, size: usize) {
    for number in 0..copies {
        let mut request = Request::post("/").body(Full::new(pattern(size))).unwrap();
        let host = HeaderValue::from_str(&format!("tenant-{number}")).unwrap();
        request.headers_mut().insert("host", host);
        request.extensions_mut().insert(token.clone());
        let answer = layer.layer(Digest).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

async fn idle(handle: &MirrorHandle) {
    timeout(HANG, handle.wait_idle()).await.unwrap();
    assert_eq!(handle.stats().buffered_bytes(), 0);
}

/// Asserts that no request, task or socket of these copies remains while the target lives.
async fn all_let_go(target: &HttpTarget, shadow: &Shadow, token: &Token, tasks_before: usize) {
    let gone = async {
        // One usable connection may remain, with its task and hyper's task, and with the shadow's
        // task.
        while Arc::strong_count(&token.0) > 1
            || target.connections() > 1
            || tasks() > tasks_before + 3 * shadow.open()
        {
            yield_now().await;
        }
    };
    if timeout(HANG, gone).await.is_err() {
        let (requests, sockets) = (Arc::strong_count(&token.0) - 1, target.connections());
        panic!("{requests} requests, {sockets} sockets, {} tasks", tasks());
    }
}

/// Sends copies over HTTP/2. Nothing of them remains, before and after the target is dropped.
async fn sixty_copies(shadow: &Shadow, mode: BodyMode, tasks_before: usize) -> MirrorStats {
    let (layer, target) = mirror(shadow, true, mode);
    let token = Token(Arc::default());
    for _ in 0..3 {
        send(&layer, &token, 20, 100_000).await;
        idle(&layer.handle()).await;
    }
    all_let_go(&target, shadow, &token, tasks_before).await;
    let stats = layer.handle().stats();
    drop((layer, target));
    assert!(shadow.closes(0).await);
    stats
}

/// hyper keeps the request of a stream, and all requests after it, until the server admits the
/// stream.
#[test]
fn a_shadow_that_admits_no_stream_keeps_no_request() {
    let _together = DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let shadow = Shadow::start(|_, stream| async move {
            let mut peer = Peer::greet(stream, &[(MAX_STREAMS, 0)]).await?;
            peer.read_on().await
        })
        .await;
        let before = tasks();
        for mode in [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly] {
            sixty_copies(&shadow, mode, before).await;
        }
    });
}

/// Streams that were answered and still wait for a window.
#[test]
fn a_shadow_that_never_opens_the_window_keeps_no_stream() {
    let _together = DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let shadow = Shadow::start(|_, stream| async move {
            let mut peer = Peer::greet(stream, &[(WINDOW, 0)]).await?;
            loop {
                let (stream, _) = peer.request().await?;
                let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200);
                peer.write(&head).await?;
            }
        })
        .await;
        let before = tasks();
        for mode in [BodyMode::Buffered, BodyMode::Streaming] {
            let stats = sixty_copies(&shadow, mode, before).await;
            let ends = stats.outcome(Outcome::Completed) + stats.outcome(Outcome::TimedOut);
            assert_eq!(ends, 60, "{stats}");
        }
    });
}

/// An ordinary close would leave the unread bytes in the kernel, where no limit counts them.
#[test]
fn a_shadow_that_never_reads_sees_its_connections_reset() {
    let _alone = DESCRIPTORS.write().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let shadow = Shadow::start(|_, stream| async move { hold(&stream).await }).await;
        for mode in [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly] {
            let (layer, target) = mirror(&shadow, false, mode);
            let token = Token(Arc::default());
            let (tasks_before, before) = (tasks(), descriptors());
            send(&layer, &token, 20, 1 << 20).await;
            idle(&layer.handle()).await;
            assert!(shadow.closes(0).await, "{} open", shadow.open());
            let gone = async {
                while target.connections() > 0
                    || tasks() > tasks_before
                    || descriptors() > before
                    || Arc::strong_count(&token.0) > 1
                {
                    yield_now().await;
                }
            };
            timeout(HANG, gone).await.unwrap();
            assert_eq!(shadow.accepted() % 20, 0);
        }
    });
}
