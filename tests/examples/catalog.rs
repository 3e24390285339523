use std::net::TcpListener;

use super::{run, shows};

#[tokio::test]
async fn the_exercise_shows_what_it_says() {
    let facts = [
        "ok      the client got 600 answers by v1, none with an imageUrl",
        "ok      v2 received 600, 600 of them equal byte for byte",
        "ok      600 came with `Host: catalog-shadow`, where clients said `catalog`",
        "ok      600 answers of v2 were received whole",
        "ok      tower-mirror: at most",
        "ok      by hand: a socket, its task and its buffers for every request, with no end to it",
        "ok      600 copies found nobody there",
        "ok      nothing: v1's answers, whole and at v1's pace",
        "ok      1800 outcomes, for the 1800 requests that clients sent",
        "ok      drained: no copy is left, nor a byte of one",
        "All of it is so",
    ];
    shows("catalog", &facts).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    // The port is in use, either by this test or by another program.
    let _holder = TcpListener::bind("127.0.0.1:9000");
    let output = run("catalog", &["--serve"]).await;
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("port 9000"), "{complaint}");
}
