//! A shadow whose name does not resolve does not use threads that the primary needs.
//!
//! The system's resolver is made slow without a network: a child process runs in a separate mount
//! namespace, in which `/etc/hosts` is a pipe without a writer. So each `getaddrinfo` waits without
//! end when it opens the file.
#![cfg(target_os = "linux")]

use std::{
    env, fs,
    future::{Future, poll_fn},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use tokio::{runtime::Builder, task::spawn_blocking};
use tower::{Service, ServiceExt};
use tower_mirror::{HttpTarget, MirrorLayer, Outcome};

const IS_CHILD: &str = "TOWER_MIRROR_NO_NAME_RESOLVES";
const FAILED: i32 = 101; // the exit status of a test binary that fails
const SETUP: &str = r#"
    mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf || exit 77
    shift 2
    exec "$@"
"#;

/// A folder that is removed when this value is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns the exit status of the child, if such a namespace is permitted.
fn run(arguments: &[&str], hosts: &Path, switch: &Path) -> Option<i32> {
    let status = Command::new("unshare")
        .args(arguments)
        .args(["sh", "-c", SETUP, "sh"])
        .args([hosts, switch])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "in_the_namespace", "--ignored", "--nocapture"])
        .env(IS_CHILD, "")
        .status()
        .ok()?;
    match status.code() {
        Some(code @ (0 | FAILED)) => Some(code),
        Some(_) => None,
        None => Some(FAILED),
    }
}

#[test]
fn a_name_that_does_not_resolve_takes_no_thread_of_the_primarys() {
    let folder = env::temp_dir().join(format!("tower-mirror-slow-name-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let folder = Folder(folder);
    let (hosts, switch) = (folder.0.join("hosts"), folder.0.join("nsswitch.conf"));
    fs::write(&switch, "hosts: files\n").unwrap();
    let made = Command::new("mkfifo").arg(&hosts).status();
    let is_made = made.is_ok_and(|status| status.success());

    let as_root: &[&str] = &["--mount"];
    let as_user: &[&str] = &["--user", "--map-root-user", "--mount"];
    let code = [as_root, as_user]
        .into_iter()
        .filter(|_| is_made)
        .find_map(|arguments| run(arguments, &hosts, &switch));
    match code {
        Some(code) => assert_eq!(code, 0, "the child failed"),
        None => eprintln!("skipped: this system permits no mount namespace"),
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("hangs")
}

/// Waits until this number of threads of this process look up names. In this test no look-up ends.
fn wait_for_lookups(count: usize) {
    let guard = Instant::now();
    while lookups() < count {
        assert!(guard.elapsed() < Duration::from_secs(30), "hangs");
        thread::yield_now();
    }
    assert_eq!(lookups(), count);
}

fn lookups() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "mirror-lookup").count()
}

async fn answer(app: &Router, path: &str) -> Bytes {
    let request = Request::get(path).header("host", "catalog");
    let request = request.body(Body::empty()).unwrap();
    let answer = within(app.clone().oneshot(request)).await.unwrap();
    within(answer.into_body().collect())
        .await
        .unwrap()
        .to_bytes()
}

#[test]
#[ignore = "runs in a namespace that another test makes"]
fn in_the_namespace() {
    if env::var_os(IS_CHILD).is_none() {
        eprintln!("skipped: not in the namespace");
        return;
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    // A failed assertion must not drop the runtime, because that may wait for a look-up.
    let runtime = Box::leak(Box::new(runtime));
    runtime.block_on(copies_to_a_name_that_does_not_resolve());

    // The runtime ends although a look-up does not end.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(no_connection_to("http://third.test"));
    wait_for_lookups(3);
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        drop(runtime);
        ended.send(())
    });
    end.recv_timeout(Duration::from_secs(30))
        .expect("the runtime does not end");
}

async fn copies_to_a_name_that_does_not_resolve() {
    let target = HttpTarget::builder("http://slow.test").connect_timeout(Duration::from_millis(20));
    let mirror = MirrorLayer::new(target.build().unwrap());
    let handle = mirror.handle();
    let app = Router::new()
        .route("/", get(async || "primary"))
        .route(
            "/blocking",
            get(async || spawn_blocking(|| "blocking").await.unwrap()),
        )
        .layer(mirror);

    for copies in 1..=8 {
        assert_eq!(answer(&app, "/").await, "primary");
        within(handle.wait_idle()).await;
        assert_eq!(handle.stats().outcome(Outcome::FailedConnect), copies);
    }
    assert_eq!(answer(&app, "/blocking").await, "blocking");
    // The look-up continues, and there is only one for all targets with this name.
    no_connection_to("http://slow.test:8080").await;
    wait_for_lookups(1);
    // It does not delay the look-up of another upstream.
    no_connection_to("http://other.test").await;
    wait_for_lookups(2);
}

async fn no_connection_to(url: &str) {
    let target = HttpTarget::builder(url);
    let mut target = target
        .connect_timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut target, cx));
    assert!(within(ready).await.unwrap_err().is_connect());
}
