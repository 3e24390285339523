use super::shows;

#[tokio::test]
async fn the_example_shows_what_it_says() {
    let facts = [
        "ok      FAIL names the route `GET /items`, and no other one",
        "ok      the only path that differs in v2 is `/items/*/stock`, which v2 removed",
        "ok      the share is ",
        "ok      the requests that fail have in common: query `expand` (",
        "ok      `/requestId` and `/generatedAt` are listed under \"not judged\"",
        "ok      PASS after ",
        "ok      it never failed: ",
        "Every statement above was checked and holds.",
    ];
    shows("compare", &facts).await;
}
