//! `cargo run --example hedge` shows what it says: it ends by itself, with exit status 0 and
//! every fact that it checks in its output.
#![cfg(feature = "client")]

use std::{env, path::PathBuf, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

const HANG: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_example_shows_what_it_says() {
    let example = example();
    let output = Command::new(&example)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(HANG, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => panic!(
            "{}: {error}; `cargo build --example hedge` builds it, as a plain `cargo test` does",
            example.display()
        ),
        Err(_) => panic!("the example still runs after {HANG:?}"),
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{shown}{complaints}",
        output.status
    );
    assert_eq!(complaints, "", "nothing else is printed");
    for fact in [
        "ok      every client got the right answer, to a body sent once or twice",
        "ok      without, the tail is the server's",
        "ok      hedged, it is gone at p99",
        "ok      a body over the buffer's cap is served too, but cannot be sent twice",
        "All of it is so",
    ] {
        assert!(shown.contains(fact), "no {fact:?} in\n{shown}");
    }
}

/// `target/debug/examples/hedge`, from `target/debug/deps/hedge-0123456789abcdef`.
fn example() -> PathBuf {
    let this = env::current_exe().expect("a test has a path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("it lies in target/debug/deps");
    let name = format!("hedge{}", env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}
