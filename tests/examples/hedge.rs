//! The example `hedge`: the facts in its output.

use super::shows;

#[tokio::test]
async fn the_example_shows_what_it_says() {
    let facts = [
        "ok      every client received the correct answer, whether its body was sent once or twice",
        "ok      without hedging, clients wait for 30 slow answers: p99",
        "ok      with hedging, clients wait for ",
        "ok      a body over the limit of the buffer is served too, but cannot be sent twice",
        "Every statement above was checked and holds",
    ];
    shows("hedge", &facts).await;
}
