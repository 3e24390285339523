//! An HTTP/2 peer that has answered once, and then takes everything and says nothing: its connection is given to no other
//! request.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::{net::TcpListener, sync::oneshot};
use tower::{Service, ServiceExt};
use tower_mirror::{HttpTarget, WeightedSplit, client::Error};
use tower_mirror_testing::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, Peer, STATUS_200, frame,
};

/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(60);

async fn within<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(HANG, waiting).await.expect("it hangs")
}

async fn answer(peer: &mut Peer, text: &[u8]) -> io::Result<()> {
    let (stream, _) = peer.request().await?;
    let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    peer.write(&[head, frame(DATA, END_STREAM, stream, text)].concat())
        .await
}

/// Its first connection falls silent after one answer, and later ones are served. With `closes` there are none, from when that
/// is dropped.
async fn server(
    closes: Option<oneshot::Receiver<()>>,
) -> (HttpTarget, SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        counter.fetch_add(1, SeqCst);
        tokio::spawn(async move {
            let mut peer = Peer::greet(stream, &[]).await?;
            answer(&mut peer, b"first").await?;
            // Pings are read, too.
            peer.read_on().await
        });
        if let Some(closes) = closes {
            let _ = closes.await;
            return Ok(());
        }
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut peer = Peer::greet(stream, &[]).await?;
                while answer(&mut peer, b"later").await.is_ok() {}
                io::Result::Ok(())
            });
        }
        io::Result::Ok(())
    });
    let target = HttpTarget::builder(format!("http://{address}"));
    let target = target
        .http2()
        .ping_interval(Duration::from_millis(1))
        .build()
        .unwrap();
    (target, address, accepted)
}

fn request() -> Request<Full<Bytes>> {
    Request::post("/").body(Full::from("hello")).unwrap()
}

async fn ask(target: &HttpTarget) -> Result<Bytes, Error> {
    let answer = within(target.clone().oneshot(request())).await?;
    Ok(within(answer.into_body().collect()).await?.to_bytes())
}

/// No caller has a deadline: the ping that is not answered ends the requests.
#[tokio::test]
async fn pings_end_its_requests_and_others_get_another_connection() {
    let (target, _, accepted) = server(None).await;
    assert_eq!(ask(&target).await.unwrap(), "first");
    for ended in futures_util::future::join_all((0..4).map(|_| ask(&target))).await {
        assert!(ended.unwrap_err().is_transport());
    }
    assert_eq!(accepted.load(SeqCst), 1);
    for _ in 0..4 {
        assert_eq!(ask(&target).await.unwrap(), "later");
    }
    assert_eq!(accepted.load(SeqCst), 2);
    within(async {
        while target.connections() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn readiness_says_when_there_is_no_other_connection_and_a_fallback_serves() {
    let (gone, closes) = oneshot::channel();
    let (mut silent, address, _) = server(Some(closes)).await;
    let (good, ..) = server(None).await;
    assert_eq!(ask(&silent).await.unwrap(), "first");
    assert!(ask(&silent).await.unwrap_err().is_transport());
    drop(gone);
    within(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
    let ready = within(std::future::poll_fn(|cx| {
        Service::<Request<Full<Bytes>>>::poll_ready(&mut silent, cx)
    }));
    assert!(ready.await.unwrap_err().is_connect());

    let split = WeightedSplit::builder("test")
        .subset("silent", 1, silent)
        .subset("good", 0, good)
        .fallback("silent", "good")
        .build()
        .unwrap();
    let answer = within(split.oneshot(request())).await.unwrap();
    let body = within(answer.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "first");
}
