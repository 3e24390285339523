//! Checks of the compiler's messages for the most likely mistakes.
//!
//! Each file in `mistakes/` contains one mistake, and its correction under `cfg(right)`. With
//! `cfg(right)` the file compiles. Without it, the compiler's message must contain the texts after
//! `//~`: these are messages of this crate's traits, or names that must not be missing. The other
//! parts of the message change from version to version and are not checked.
#![cfg(feature = "client")]

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// The crates that the mistakes may use.
const CRATES: [&str; 5] = ["axum", "bytes", "http", "tower", "tower_mirror"];

#[test]
fn a_result_is_no_shadow() {
    says_so("result");
}

#[test]
fn a_router_without_its_state_is_no_shadow() {
    says_so("state");
}

#[test]
fn a_function_is_no_shadow() {
    says_so("function");
}

#[test]
fn a_service_that_is_not_clone_is_no_shadow() {
    says_so("not_clone");
}

#[test]
fn a_path_is_no_filter() {
    says_so("filter");
}

#[test]
fn a_closure_of_a_request_is_no_filter() {
    says_so("closure");
}

#[test]
fn a_header_name_is_no_rewrite() {
    says_so("rewrite");
}

#[test]
fn a_channel_is_no_observer() {
    says_so("observer");
}

fn says_so(mistake: &str) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ui/mistakes/{mistake}.rs"));
    let text = fs::read_to_string(&file).expect("a mistake");
    let expected: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//~ "))
        .collect();
    assert!(!expected.is_empty(), "{mistake} has no expected text");

    let right = check(&file, &["--cfg", "right"]);
    let complaint = String::from_utf8_lossy(&right.stderr);
    assert!(
        right.status.success(),
        "the remedy does not compile:\n{complaint}"
    );

    let wrong = check(&file, &[]);
    let complaint = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success(), "the mistake compiles");
    for phrase in expected {
        assert!(complaint.contains(phrase), "no {phrase:?} in\n{complaint}");
    }
}

/// Checks the types of one file.
fn check(file: &Path, more: &[&str]) -> Output {
    let built = built();
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    // The compiler also writes names into this folder that are too long for a message.
    let name = file.file_stem().expect("a name").to_string_lossy();
    let suffix = if more.is_empty() { "wrong" } else { "right" };
    let out = format!("{}/ui-{name}-{suffix}.rmeta", env!("CARGO_TARGET_TMPDIR"));
    rustc.args([
        "--edition=2024",
        "--crate-type=lib",
        "--emit=metadata",
        "-o",
        &out,
    ]);
    for name in CRATES {
        let library = &built[name];
        rustc
            .arg("--extern")
            .arg(format!("{name}={}", library.display()));
        let mut folder = std::ffi::OsString::from("dependency=");
        folder.push(library.parent().expect("a folder"));
        rustc.arg("-L").arg(folder);
    }
    let rustc = rustc.args(more).arg(file).stdout(Stdio::null());
    rustc.output().expect("the compiler that built this test")
}

/// Returns the library files of the crates that this test was built with. It builds nothing again.
fn built() -> &'static HashMap<String, PathBuf> {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args([
                "test",
                "--no-run",
                "--offline",
                "--test=ui",
                "--message-format=json",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        let messages = String::from_utf8_lossy(&output.stdout);
        messages.lines().filter_map(library).collect()
    })
}

/// Returns the name and the file of a library, if the message is about one.
fn library(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_library = target["kind"].as_array()?.iter().any(|kind| kind == "lib");
    let file = message["filenames"].as_array()?.first()?.as_str()?;
    let name = target["name"].as_str()?.replace('-', "_");
    (is_library && CRATES.contains(&name.as_str())).then(|| (name, file.into()))
}
