//! The examples that are one file each. They check themselves.

use super::shows;

#[tokio::test]
async fn the_axum_app_reports_and_drains() {
    let facts = [
        "mirror \"shop-v2\": all methods, credentials included, 100 % of requests; ",
        "   shop-v2 /items: completed; v1 200 OK, v2 200 OK after ",
        "   shop-v2 /orders/{item}: completed; v1 201 Created, v2 500 Internal Server Error after ",
        "   0 copies were aborted",
        "2 requests, 0 copies in flight holding 0 bytes",
    ];
    shows("axum_app", &facts).await;
}

#[tokio::test]
async fn hypers_own_server_is_mirrored() {
    let facts = [
        r#"v1 answered b"HELLO""#,
        r#"v2 received "POST /shout, host shop-shadow: hello""#,
        "2  completed",
    ];
    shows("hyper_server", &facts).await;
}

#[tokio::test]
async fn a_tonic_server_is_mirrored() {
    let facts = ["copy: completed", "copy: timed_out", "answer: NotServing"];
    shows("grpc", &facts).await;
}

#[tokio::test]
async fn outgoing_calls_are_mirrored() {
    let facts = [
        "v2 receives a request for candle, with the host \"prices-v2.internal\"",
        "watch: v1's price of watch",
        "2  completed",
        "1  timed_out",
    ];
    shows("outbound", &facts).await;
}

#[tokio::test]
async fn a_running_mirror_and_split_are_steered() {
    let facts = [
        "   /mirror/rate/100                 100             0",
        "   /mirror/pause                      0             0",
        "500 requests, 0 copies in flight holding 0 bytes",
        "200  paused",
    ];
    shows("live", &facts).await;
}
