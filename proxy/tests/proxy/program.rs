//! The program: its version, its environment, and what it logs.

use std::collections::BTreeSet;

use rustix::process::Signal;
use tokio::net::TcpSocket;

use crate::{
    child::{Proxy, run_by_environment},
    client::{Client, get},
    upstream::Upstream,
};

const LOOPBACK: (&str, &str) = ("TOWER_MIRROR_LISTEN", "127.0.0.1:0");
const ADMIN: (&str, &str) = ("TOWER_MIRROR_ADMIN", "127.0.0.1:0");

#[tokio::test]
async fn it_prints_its_version() {
    let (code, output, _) = run_by_environment(&["--version"], &[]).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(output, format!("tower-mirror-proxy {version}\n"));
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn every_option_has_a_variable() {
    let (code, help, _) = run_by_environment(&["--help"], &[]).await;
    assert_eq!(code, Some(0));
    let names = |beginning: &str| -> BTreeSet<String> {
        let words = help.split_whitespace();
        let words = words.filter_map(|word| word.strip_prefix(beginning));
        words
            .map(|word| word.trim_end_matches(']').to_owned())
            .collect()
    };
    let options: BTreeSet<_> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|line| line.split_whitespace().next().unwrap_or_default())
        .map(|name| name.replace('-', "_").to_ascii_uppercase())
        .collect();
    assert!(options.len() > 20, "{options:?}");
    assert_eq!(names("TOWER_MIRROR_"), options);
}

#[tokio::test]
async fn the_environment_configures_all_of_it() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::echo().await;
    let primary_url = primary.url();
    let shadow_url = shadow.url();
    let subsets = format!("v1=1={primary_url},v2=0={shadow_url}");
    let variables = [
        LOOPBACK,
        ADMIN,
        ("TOWER_MIRROR_SUBSET", subsets.as_str()),
        ("TOWER_MIRROR_SHADOW", &shadow_url),
        ("TOWER_MIRROR_PRESERVE_HOST", "true"),
        ("TOWER_MIRROR_SHADOW_HTTP2", "false"),
        ("TOWER_MIRROR_BODY", ""),
        ("TOWER_MIRROR_PERCENT", "0"),
    ];
    // The command line has precedence.
    let proxy = Proxy::start_by_environment(&["--percent", "100"], &variables).await;
    let answer = Client::http1().post(&proxy.url("/"), "hello").await;
    assert_eq!(answer.headers["x-served-by"], "v1");
    assert_eq!(primary.seen().await.body, "hello");
    let copy = shadow.seen().await;
    assert_eq!(copy.body, "hello");
    assert_eq!(copy.host(), "catalog:8000");
}

#[tokio::test]
async fn a_bad_variable_is_refused_and_a_switch_that_is_false_is_not_given() {
    let base = [LOOPBACK, ("TOWER_MIRROR_PRIMARY", "http://127.0.0.1:9")];
    for (variable, value, reasons) in [
        ("TOWER_MIRROR_WORKERS", "many", &["many", "--workers"][..]),
        ("TOWER_MIRROR_PRIMARY_HTTP2", "perhaps", &["perhaps"]),
        ("TOWER_MIRROR_SHADOW_HTTP2", "true", &["--shadow"]),
        // It goes as far as the address.
        ("TOWER_MIRROR_SHADOW_HTTP2", "false", &["cannot listen"]),
        ("TOWER_MIRROR_PERCENT", "", &["cannot listen"]),
    ] {
        let variables = [&base[..], &[(variable, value)]].concat();
        // Not an address of this machine (RFC 5737).
        let args = ["--listen", "192.0.2.1:1"];
        let (code, _, said) = run_by_environment(&args, &variables).await;
        assert_eq!(code, Some(2), "{variable}={value}: {said}");
        for reason in reasons {
            assert!(said.contains(reason), "{variable}={value}: {said}");
        }
    }
}

#[tokio::test]
async fn it_logs_at_its_start_what_it_copies_where() {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let (primary, subsets, shadow) = (at(7), format!("v1=9={},v2=1={}", at(7), at(8)), at(9));
    let with_primary = ("TOWER_MIRROR_PRIMARY", primary.as_str());
    let with_subsets = ("TOWER_MIRROR_SUBSET", subsets.as_str());
    for (backend, args, expected) in [
        (
            with_primary,
            &[][..],
            "127.0.0.1:7 answers; 100 % of the requests are copied to 127.0.0.1:9: all methods, credentials included",
        ),
        (
            with_primary,
            &["--percent", "2.5", "--safe-methods", "--strip-credentials"],
            "127.0.0.1:7 answers; 2.5 % of the requests are copied to 127.0.0.1:9: safe methods only, without credentials",
        ),
        (
            with_subsets,
            &["--strip-credentials"],
            "v1 at 127.0.0.1:7 (weight 9), v2 at 127.0.0.1:8 (weight 1) answer; \
             100 % of the requests are copied to 127.0.0.1:9: all methods, without credentials",
        ),
    ] {
        let variables = [LOOPBACK, ADMIN, backend, ("TOWER_MIRROR_SHADOW", &shadow)];
        let mut proxy = Proxy::start_by_environment(args, &variables).await;
        assert_eq!(proxy.logs().await.as_deref(), Some(expected));
    }
    let compared = [
        LOOPBACK,
        ADMIN,
        with_primary,
        ("TOWER_MIRROR_SHADOW", &shadow),
        ("TOWER_MIRROR_COMPARE", "true"),
        ("TOWER_MIRROR_COMPARE_METHODS", "POST,PUT"),
    ];
    for (baseline, expected) in [
        ("", "; the answers are compared, without a baseline"),
        (
            "http://127.0.0.1:6",
            "; the answers are compared, with 127.0.0.1:6 as the baseline",
        ),
    ] {
        let variables = [&compared[..], &[("TOWER_MIRROR_BASELINE", baseline)]].concat();
        let mut proxy = Proxy::start_by_environment(&[], &variables).await;
        let line = proxy.logs().await.unwrap();
        assert!(line.ends_with(expected), "{line}");
        // The verdict is the last line.
        proxy.signal(Signal::TERM);
        let line = proxy.logs().await.unwrap();
        assert!(
            line.starts_with("mirror: INCONCLUSIVE: no request"),
            "{line}"
        );
    }
    let variables = [LOOPBACK, ADMIN, with_subsets];
    let mut proxy = Proxy::start_by_environment(&[], &variables).await;
    let line = proxy.logs().await.unwrap();
    assert!(
        line.ends_with("; nothing is copied (no --shadow)"),
        "{line}"
    );
}

#[tokio::test]
async fn safe_methods_and_credentials_are_as_it_says() {
    let mut primary = Upstream::echo().await;
    let mut shadow = Upstream::echo().await;
    let (primary_url, shadow_url) = (primary.url(), shadow.url());
    let sides = ["--primary", &primary_url, "--shadow", &shadow_url];
    let more = ["--safe-methods", "--strip-credentials"];
    let proxy = Proxy::start(&[&sides[..], &more].concat()).await;
    let client = Client::http1();
    client.post(&proxy.url("/"), "a write").await;
    assert_eq!(primary.seen().await.body, "a write");
    let request = http::Request::get(proxy.url("/")).header("authorization", "Bearer x");
    client.send(request.body(Default::default()).unwrap()).await;
    assert!(primary.seen().await.headers.contains_key("authorization"));

    let stats = proxy.settled().await;
    assert_eq!(stats.outcome("filtered"), 1);
    assert_eq!(stats.outcome("completed"), 1);
    let copy = shadow.seen().await;
    assert_eq!(copy.method, "GET");
    assert!(!copy.headers.contains_key("authorization"), "{copy:?}");
}

#[tokio::test]
async fn it_logs_the_first_failures_of_each_kind_and_their_sum() {
    let primary = Upstream::echo().await;
    // It is bound and does not listen, so that it refuses.
    let dead = TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let shadow = format!("http://{}", dead.local_addr().unwrap());
    let primary = primary.url();
    let variables = [
        LOOPBACK,
        ADMIN,
        ("TOWER_MIRROR_PRIMARY", primary.as_str()),
        ("TOWER_MIRROR_SHADOW", &shadow),
        ("TOWER_MIRROR_MAX_BODY_BYTES", "4"),
    ];
    let mut proxy = Proxy::start_by_environment(&[], &variables).await;
    proxy.logs().await.unwrap();
    let client = Client::http1();
    for _ in 0..5 {
        assert_eq!(get(&proxy.url("/")).await.status, 200);
        proxy.settled().await;
    }
    assert_eq!(client.post(&proxy.url("/"), "hello").await.status, 200);
    proxy.settled().await;
    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    proxy.says("served ").await;
    let mut lines = Vec::new();
    while let Some(line) = proxy.logs().await {
        lines.push(line);
    }
    let beginnings = [
        "warning: a copy failed: failed_connect, 1 so far (",
        "warning: a copy failed: failed_connect, 2 so far (",
        "warning: a copy failed: failed_connect, 4 so far (",
        "warning: a copy failed: too_large, 1 so far (",
        "warning: of 6 requests, 6 have no complete copy: too_large 1, failed_connect 5",
    ];
    assert_eq!(lines.len(), beginnings.len(), "{lines:#?}");
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line}");
    }
    assert!(lines[0].contains("refused"), "{}", lines[0]);
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn what_is_as_configured_is_not_logged() {
    let (primary, shadow) = (Upstream::echo().await, Upstream::echo().await);
    let (primary, shadow) = (primary.url(), shadow.url());
    let variables = [
        LOOPBACK,
        ADMIN,
        ("TOWER_MIRROR_PRIMARY", primary.as_str()),
        ("TOWER_MIRROR_SHADOW", &shadow),
        ("TOWER_MIRROR_SAFE_METHODS", "true"),
    ];
    let mut proxy = Proxy::start_by_environment(&[], &variables).await;
    proxy.logs().await.unwrap();
    assert_eq!(get(&proxy.url("/")).await.status, 200);
    Client::http1().post(&proxy.url("/"), "a write").await;
    assert_eq!(proxy.settled().await.outcome("completed"), 1);
    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    proxy.says("served ").await;
    assert_eq!(proxy.logs().await, None);
}

#[tokio::test]
async fn its_health_is_on_the_admin_address() {
    let (primary, shadow) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = Proxy::start(&["--primary", &primary.url(), "--shadow", &shadow.url()]).await;
    let answer = proxy.get("/healthz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "ok\n");
}
