//! `cargo run --example catalog` shows what it says: it ends by itself, with exit status 0 and
//! every fact that it checks in its output.
#![cfg(feature = "client")]

use std::{
    env,
    net::TcpListener,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

const HANG: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_exercise_shows_what_it_says() {
    let output = run(&[]).await;
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{shown}{complaints}",
        output.status
    );
    assert_eq!(complaints, "", "nothing but the exercise is printed");
    assert!(!shown.contains("NOT SO"), "{shown}");
    for fact in [
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
    ] {
        assert!(shown.contains(fact), "no {fact:?} in\n{shown}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    // Whoever holds it, it is held.
    let _holder = TcpListener::bind("127.0.0.1:9000");
    let output = run(&["--serve"]).await;
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("port 9000"), "{complaint}");
}

/// Runs the example that cargo built along with this test.
async fn run(arguments: &[&str]) -> Output {
    let example = example();
    let output = Command::new(&example)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(HANG, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => panic!(
            "{}: {error}; `cargo build --example catalog` builds it, as a plain `cargo test` does",
            example.display()
        ),
        Err(_) => panic!("the example still runs after {HANG:?}"),
    }
}

/// `target/debug/examples/catalog`, from `target/debug/deps/catalog-0123456789abcdef`.
fn example() -> PathBuf {
    let this = env::current_exe().expect("a test has a path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("it lies in target/debug/deps");
    let name = format!("catalog{}", env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}
