//! The example `catalog`: the facts in its output, and a port that is in use.

use std::net::TcpListener;

use super::{run, shows};

#[tokio::test]
async fn the_exercise_shows_what_it_says() {
    let facts = [
        "mirror \"catalog-v2\": all methods, credentials included, 100 % of requests",
        "ok      clients received 1200 answers by v1, none with an imageUrl",
        "ok      v2 received 1200, 1200 of them equal byte for byte",
        "ok      1200 of them had `Host: catalog-shadow`, where clients had sent `catalog`",
        "ok      the mirror received 1200 answers of v2 completely",
        "ok      tower-mirror: at most 128 copies and 32 sockets at a time",
        "ok      written by hand: every copy holds a socket until none of 1024 descriptors is left",
        "ok      1200 copies could not connect, and were counted as such",
        "ok      with tower-mirror nothing: every client was answered by v1, and no connection broke",
        "ok      3600 outcomes for the 3600 requests that clients sent",
        "ok      after the drain no copy is left, and no byte of one",
        "ok      FAIL: v2 adds `/imageUrl` to the answers to GET /items, and differs in nothing else",
        "ok      PASS after 3660 compared requests, each with the expected difference",
        "Every statement above was checked and holds",
    ];
    let shown = shows("catalog", &facts).await;
    assert!(
        !shown.contains('\x1b'),
        "no colours where the output is not a terminal: {shown:?}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    // If this fails, another process holds the port.
    let _holder = TcpListener::bind("127.0.0.1:9000");
    let output = run("catalog", &["--serve"]).await;
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("port 9000"), "{complaint}");
}
