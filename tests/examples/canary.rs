//! The example `canary`: the facts in its output, and the width of its lines.

use super::shows;

const WIDTH: usize = 100;

#[tokio::test]
async fn the_release_shows_what_it_says() {
    let facts = [
        "ok      3000 correct answers: 3000 by v1 and 0 by v2, as the split counted",
        "ok      v2 received 3000 copies of v1's requests (`catalog-shadow`); copies of its own 0: 0",
        "ok      v2 answered every copy, with 2xx if v1 answered with 2xx",
        // Keys are the same on every machine.
        "ok      with a cookie: 42 of 500 users on v2; configured: 10.0%; no user on both",
        "ok      42 users moved to v2: 8.4%; previewed: 10.1%; moved back: 0",
        "ok      202 users moved to v2: 40.4%; previewed: 39.9%; moved back: 0",
        " were sent after its end was noticed: 0 failed",
        " times v2 was not ready, nothing was sent to it, and v1 answered: fallback",
        "ok      0 users got another version, except by the fallback",
        "ok      its 244 users are back, and no other users",
        "ok      around: v2 received copies of all 3000 requests, and it served ",
        "ok      256 users moved to v2: 51.2%; previewed: 50.0%; moved back: 0",
        "ok      v2 received 0 copies of v1's requests (`catalog-shadow`); copies of its own 3000: 0",
        " that v2 served were not copied to it, and the others were",
        "ok      after the drain no copy is left, and no byte of one",
        "Every statement above was checked and holds",
    ];
    let shown = shows("canary", &facts).await;
    for line in shown.lines() {
        assert!(line.chars().count() <= WIDTH, "wider than {WIDTH}: {line}");
    }
}
