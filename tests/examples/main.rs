//! Runs the examples. Each must end by itself, with exit status 0, and its output must contain all
//! facts that it checks.
#![cfg(feature = "client")]

mod canary;
mod catalog;
mod compare;
mod hedge;
mod interop;
mod one_file;
mod soak;

use std::{
    env,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, sync::Mutex, time::timeout};

/// Longer than any example needs: `compare` ends by itself after eight minutes at the latest.
const HANG: Duration = Duration::from_secs(600);

/// The examples run one at a time, because some of them compare latencies.
static TURN: Mutex<()> = Mutex::const_new(());

/// Runs an example that cargo has built together with this test.
async fn run(name: &str, arguments: &[&str]) -> Output {
    let _turn = TURN.lock().await;
    let example = path(name);
    let output = Command::new(&example)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(HANG, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => panic!(
            "{}: {error}; `cargo build --examples` builds it, as a plain `cargo test` does",
            example.display()
        ),
        Err(_) => panic!("{name} still runs after {HANG:?}"),
    }
}

/// Returns `target/debug/examples/NAME`, from `target/debug/deps/examples-0123456789abcdef`.
fn path(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a test has a path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("it lies in target/debug/deps");
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}

/// Runs an example without arguments until it succeeds. Returns its output.
async fn shows(name: &str, facts: &[&str]) -> String {
    let output = run(name, &[]).await;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{shown}{complaints}",
        output.status
    );
    assert_eq!(complaints, "", "nothing else is printed");
    assert!(!shown.contains("FAILED"), "{shown}");
    for fact in facts {
        assert!(shown.contains(fact), "no {fact:?} in\n{shown}");
    }
    shown
}
