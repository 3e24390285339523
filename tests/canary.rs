//! `cargo run --example canary` shows what it says: it ends by itself, with exit status 0 and
//! every fact that it checks in its output.
#![cfg(feature = "client")]

use std::{
    env,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

const HANG: Duration = Duration::from_secs(120);
const WIDTH: usize = 100;

#[tokio::test]
async fn the_release_shows_what_it_says() {
    let output = run().await;
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{shown}{complaints}",
        output.status
    );
    assert_eq!(complaints, "", "nothing but the release is printed");
    assert!(!shown.contains("NOT SO"), "{shown}");
    for fact in [
        "ok      3000 right answers: 3000 by v1 and 0 by v2, as the split counted",
        "ok      v2 was sent 3000 copies, as `catalog-shadow`, of what v1 served",
        "ok      v2 behaves: it answered every copy, and where v1 said 2xx it said 2xx",
        // Keys are the same on every machine.
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
    ] {
        assert!(shown.contains(fact), "no {fact:?} in\n{shown}");
    }
    for line in shown.lines() {
        assert!(line.chars().count() <= WIDTH, "wider than {WIDTH}: {line}");
    }
}

/// Runs the example that cargo built along with this test.
async fn run() -> Output {
    let example = example();
    let output = Command::new(&example)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(HANG, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => panic!(
            "{}: {error}; `cargo build --example canary` builds it, as a plain `cargo test` does",
            example.display()
        ),
        Err(_) => panic!("the example still runs after {HANG:?}"),
    }
}

/// `target/debug/examples/canary`, from `target/debug/deps/canary-0123456789abcdef`.
fn example() -> PathBuf {
    let this = env::current_exe().expect("a test has a path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("it lies in target/debug/deps");
    let name = format!("canary{}", env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}
