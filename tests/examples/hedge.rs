use super::shows;

#[tokio::test]
async fn the_example_shows_what_it_says() {
    let facts = [
        "ok      every client got the right answer, to a body sent once or twice",
        "ok      without, the tail is the server's",
        "ok      hedged, it is gone at p99",
        "ok      a body over the buffer's cap is served too, but cannot be sent twice",
        "All of it is so",
    ];
    shows("hedge", &facts).await;
}
