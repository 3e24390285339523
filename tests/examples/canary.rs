use super::shows;

const WIDTH: usize = 100;

#[tokio::test]
async fn the_release_shows_what_it_says() {
    let facts = [
        "ok      3000 right answers: 3000 by v1 and 0 by v2, as the split counted",
        "ok      v2 was sent 3000 copies, as `catalog-shadow`, of what v1 served",
        "ok      v2 behaves: it answered every copy, and where v1 said 2xx it said 2xx",
        // The keys are the same on every machine.
        "ok      with a cookie: 42 of 500 users on v2, configured are 10.0%; nobody on both",
        "ok      42 users moved to v2: 8.4%, previewed were 10.1%; moved back: 0",
        "ok      202 users moved to v2: 40.4%, previewed were 39.9%; moved back: 0",
        " begun after its death was noticed: 0 failed",
        " times v2 was not ready, nothing had been sent, and v1 answered: fallback",
        "ok      0 users got another version but for the fallback",
        "ok      its 244 users are back, and nobody else",
        "ok      around: v2 was sent 3000 copies, of all requests: ",
        "ok      256 users moved to v2: 51.2%, previewed were 50.0%; moved back: 0",
        "ok      v2 was sent 0 copies, as `catalog-shadow`, of what v1 served; of the 3000 it served, 0",
        " that v2 was given were not copied to it, the others were",
        "ok      drained: no copy is left, nor a byte of one",
        "All of it is so",
    ];
    let shown = shows("canary", &facts).await;
    for line in shown.lines() {
        assert!(line.chars().count() <= WIDTH, "wider than {WIDTH}: {line}");
    }
}
