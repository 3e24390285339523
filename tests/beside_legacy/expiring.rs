//! Rows 5 and 6: how long connections are kept, and that a steady load makes none anew.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use http::Version;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Barrier,
};

use crate::{
    clients::{Client, both, get, ours},
    compare,
    servers::{WHOLE, accepting, listen, read_head},
    within,
};

/// All requests of a round are there before any is answered, so each needs a connection of its own. The first
/// connections fall silent after so many requests.
fn meeting(listener: TcpListener, all: usize, silent: Option<(usize, usize)>) -> Arc<AtomicUsize> {
    let barrier = Arc::new(Barrier::new(all));
    accepting(listener, move |number, mut stream| {
        let barrier = barrier.clone();
        async move {
            let mut served = 0;
            loop {
                if silent.is_some_and(|(first, after)| number < first && served == after) {
                    return stream.read_to_end(&mut Vec::new()).await.map(drop);
                }
                read_head(&mut stream).await?;
                barrier.wait().await;
                stream.write_all(WHOLE).await?;
                served += 1;
            }
        }
    })
}

/// How many of a round are not answered.
async fn round(client: &Client, address: SocketAddr, requests: usize) -> usize {
    let answers = join_all((0..requests).map(|_| client.is_answered(get(address, "/")))).await;
    answers.iter().filter(|it| !**it).count()
}

/// The network path forgets 16 idle connections while nothing is sent for the idle timeout of 90 seconds.
#[tokio::test]
async fn connections_that_were_idle_for_long_get_no_request() {
    const IDLE: usize = 16;
    let mut lost = [0; 2];
    for (side, lost) in lost.iter_mut().enumerate() {
        let (listener, address) = listen().await;
        let accepted = meeting(listener, IDLE, Some((IDLE, 1)));
        let client = &both(address, Version::HTTP_11)[side];
        assert_eq!(round(client, address, IDLE).await, 0);
        assert_eq!(accepted.load(SeqCst), IDLE);
        // Only the clock moves. All responses have been read, so no connection is in use.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(91)).await;
        tokio::time::resume();
        *lost = round(client, address, IDLE).await;
        assert_eq!(accepted.load(SeqCst), 2 * IDLE);
    }
    compare("on 16 connections that the network forgot", lost);
    assert_eq!(lost[0], 0);
}

/// By then the addresses of a name may have changed. Legacy has no such limit.
#[tokio::test]
async fn connections_of_a_great_age_get_no_request() {
    let (listener, address) = listen().await;
    let accepted = meeting(listener, 1, None);
    let client = ours(address, |it| it.idle_timeout(Duration::MAX));
    for (minutes, connections) in [(0, 1), (8, 1), (2, 2), (8, 2)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(60 * minutes)).await;
        tokio::time::resume();
        assert_eq!(round(&client, address, 1).await, 0);
        assert_eq!(accepted.load(SeqCst), connections, "{minutes} minutes");
    }
}

#[tokio::test]
async fn connections_expire() {
    let (listener, address) = listen().await;
    let accepted = meeting(listener, 1, None);
    for is_idle in [true, false] {
        let client = ours(address, |it| match is_idle {
            true => it.idle_timeout(Duration::ZERO),
            false => it.max_age(Duration::ZERO),
        });
        let before = accepted.load(SeqCst);
        for _ in 0..3 {
            assert_eq!(round(&client, address, 1).await, 0);
        }
        assert_eq!(accepted.load(SeqCst) - before, 3, "idle: {is_idle}");
        let Client::Ours(target) = &client else {
            unreachable!()
        };
        let gone = async {
            while target.connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        within(gone).await;
    }
}

#[tokio::test]
async fn a_steady_load_makes_no_connections_anew() {
    const CLIENTS: usize = 32;
    let mut made = [0; 2];
    for (side, made) in made.iter_mut().enumerate() {
        let (listener, address) = listen().await;
        let accepted = meeting(listener, CLIENTS, None);
        let client = &both(address, Version::HTTP_11)[side];
        for _ in 0..20 {
            assert_eq!(round(client, address, CLIENTS).await, 0);
        }
        *made = accepted.load(SeqCst);
    }
    println!("connections for 32 clients: {made:?}");
    assert_eq!(made[0], CLIENTS);
    assert!(made[0] <= made[1]);
}
