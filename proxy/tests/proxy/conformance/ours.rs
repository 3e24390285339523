//! The cases on the wire, which run against the proxy in both modes that copy bodies.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

use tower_mirror_testing::wire::{Bench, Setting, Settled, Upstream, Verdict, cases};

use crate::child::Proxy;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A bench, and what it needs for as long as a case runs: the proxies, and the address that refuses.
struct Ours {
    bench: Bench,
    _proxies: Vec<Proxy>,
    _dead: TcpSocket,
}

/// The options of the proxy for a setting, in addition to its addresses.
fn arguments(setting: Setting) -> &'static [&'static str] {
    match setting {
        Setting::All | Setting::Two | Setting::Dead => &[],
        Setting::None => &["--percent", "0"],
        Setting::Tenth => &["--percent", "10"],
        Setting::Fifth => &["--percent", "20"],
        Setting::Third => &["--percent", "35"],
        Setting::Half => &["--percent", "50"],
        Setting::Keep => &["--preserve-host"],
        Setting::Literal => &["--host", "v2.internal:80"],
        Setting::Limit => &["--max-body-bytes", "65536"],
        Setting::Heads => &["--body", "head-only"],
    }
}

/// A proxy for this setting, and servers around it.
async fn ours(setting: Setting, body: &str) -> Ours {
    let primary = Upstream::start("v1", LOCAL).await.unwrap();
    let shadow = Upstream::start("v2", LOCAL).await.unwrap();
    let second = Upstream::start("v3", LOCAL).await.unwrap();
    // The socket is bound and does not listen: it refuses connections, and no other process can use its port.
    let dead = TcpSocket::new_v4().unwrap();
    dead.bind(LOCAL).unwrap();

    let url = |address: SocketAddr| format!("http://{address}");
    let mode = if setting == Setting::Heads {
        &[][..]
    } else {
        &["--body", body]
    };
    let options = [arguments(setting), mode].concat();
    let start = async |primary: String, shadow: SocketAddr| {
        let shadow = url(shadow);
        let sides = ["--primary", &primary, "--shadow", &shadow];
        Proxy::start(&[&sides[..], &options].concat()).await
    };
    let copied_to = match setting {
        Setting::Dead => dead.local_addr().unwrap(),
        _ => shadow.address,
    };
    let mut proxies = vec![start(url(primary.address), copied_to).await];
    if setting == Setting::Two {
        // A proxy has one shadow, so that two proxies in a row are needed for two shadows.
        let inner = proxies[0].url("");
        proxies.push(start(inner, second.address).await);
    }
    let bench = Bench {
        proxy: proxies.last().unwrap().address,
        settled: Settled::Reported(proxies.iter().map(Proxy::admin).collect()),
        mark: Some("x-mirrored-by".to_owned()),
        served: 0.into(),
        primary,
        shadow,
        second,
    };
    Ours {
        bench,
        _proxies: proxies,
        _dead: dead,
    }
}

/// Runs one case against the proxy.
async fn check(name: &str) {
    let case = cases().find(|case| case.name == name).unwrap();
    // The limit of a live copy is on the bytes that wait for the shadow, not on the length of a body.
    let modes: &[_] = match case.setting {
        Setting::Limit | Setting::Heads => &["buffered"],
        _ => &["buffered", "streaming"],
    };
    for mode in modes {
        let ours = ours(case.setting, mode).await;
        match ours.bench.run(case).await {
            Ok(()) => {}
            Err(Verdict::DoesNotApply(why)) => panic!("{name}, {mode}: applies here, but {why}"),
            Err(Verdict::Fails(why)) => panic!("{name}, {mode}: {why} ({})", case.source),
        }
    }
}

macro_rules! check {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            super::check(stringify!($name)).await;
        }
    };
}

/// A module for each file of cases, with a test for each case.
macro_rules! files {
    ($($file:ident: $cases:ident,)*) => {
        $(mod $file {
            tower_mirror_testing::$cases!(check);
        })*
    };
}

files! {
    answers: answer_cases,
    bodies: body_cases,
    connections: connection_cases,
    heads: head_cases,
    isolation: isolation_cases,
    refusals: refusal_cases,
    shares: share_cases,
    uploads: upload_cases,
}
