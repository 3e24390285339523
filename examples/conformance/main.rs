//! Runs the conformance cases against any proxy that mirrors: the one of this repository, Envoy, nginx, yours.
//!
//! ```text
//! cargo run --example conformance -- \
//!     --primary 127.0.0.1:19001 --shadow 127.0.0.1:19002 --second 127.0.0.1:19003 \
//!     --proxy all=http://127.0.0.1:19100 --proxy half=http://127.0.0.1:19105
//! ```
//!
//! This program is the primary and the shadows, on these addresses. The proxy must run already, forward to the first
//! address and mirror to the others. Cases need different settings of the proxy. Each setting has its own URL, and a
//! case whose setting has no URL does not apply:
//!
//! | setting | the proxy |
//! |---|---|
//! | `all` | mirrors every request, and puts `-shadow` after the name in `Host` |
//! | `none`, `tenth`, `fifth`, `third`, `half` | mirrors 0, 10, 20, 35 and 50 % |
//! | `keep` | leaves `Host` unchanged |
//! | `literal` | sends copies with `Host: v2.internal:80` |
//! | `limit` | copies bodies of up to 64 KiB |
//! | `heads` | copies heads without bodies |
//! | `two` | mirrors to both shadows |
//! | `dead` | mirrors to an address where nothing listens |
//!
//! `envoy.yaml` and `nginx.conf` in this folder are such configurations. `compare.py` starts both, and the proxy of this
//! repository, and prints their results side by side. This program prints one line for each case: its name, `passes`, `fails` or
//! `n/a`, and the reason. The exit status is 1 if a case fails.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Write},
    net::{SocketAddr, ToSocketAddrs},
    process::ExitCode,
};

use clap::Parser;

use tower_mirror_testing::wire::{Bench, Setting, Settled, Upstream, Verdict, cases};

#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Args {
    /// The address that the proxy forwards to.
    #[arg(long, value_name = "ADDR")]
    primary: SocketAddr,

    /// The address that it mirrors to.
    #[arg(long, value_name = "ADDR")]
    shadow: SocketAddr,

    /// The second address that it mirrors to, in the setting `two`.
    #[arg(long, value_name = "ADDR")]
    second: SocketAddr,

    /// A proxy and its setting. Without `all`, only the cases that do not need it run.
    #[arg(long, value_name = "SETTING=URL", required = true, value_parser = setting)]
    proxy: Vec<(Setting, SocketAddr)>,

    /// The `--admin` address of this crate's proxy, which knows when no copy is in flight. Others are asked for later
    /// copies instead, whose arrival shows that earlier ones are not to come.
    #[arg(long, value_name = "SETTING=URL", value_parser = setting)]
    admin: Vec<(Setting, SocketAddr)>,

    /// The field that marks copies, if there is one.
    #[arg(long, value_name = "NAME")]
    mark: Option<String>,

    /// Run only the cases whose names contain this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

fn setting(text: &str) -> Result<(Setting, SocketAddr), String> {
    let (name, url) = text.split_once('=').ok_or("it must be SETTING=URL")?;
    let setting = Setting::EVERY.into_iter().find(|one| one.name() == name);
    let setting = setting.ok_or_else(|| {
        let names = Setting::EVERY.map(Setting::name).join(", ");
        format!("the settings are {names}")
    })?;
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut addresses = host.to_socket_addrs().map_err(|error| error.to_string())?;
    let address = addresses.next().ok_or("the name has no address")?;
    Ok((setting, address))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn upstream(name: &'static str, address: SocketAddr) -> io::Result<Upstream> {
    let said = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    };
    Upstream::start(name, address).await.map_err(said)
}

/// Returns whether no case fails.
async fn run(args: Args) -> io::Result<bool> {
    let proxies: BTreeMap<_, _> = args.proxy.iter().copied().collect();
    let mut bench = Bench {
        primary: upstream("v1", args.primary).await?,
        shadow: upstream("v2", args.shadow).await?,
        second: upstream("v3", args.second).await?,
        proxy: args.proxy[0].1,
        settled: Settled::Reported(Vec::new()),
        mark: args.mark,
        served: 0.into(),
    };
    let mut is_good = true;
    for case in cases().filter(|case| case.name.contains(&args.only)) {
        let said = match proxies.get(&case.setting) {
            None => {
                Verdict::DoesNotApply(format!("no proxy has the setting {}", case.setting.name()))
            }
            Some(proxy) => {
                bench.proxy = *proxy;
                let admins = args.admin.iter().filter(|one| one.0 == case.setting);
                let admins: Vec<_> = admins.map(|one| one.1).collect();
                let overtaken = proxies.get(&Setting::All).unwrap_or(proxy);
                bench.settled = match admins.is_empty() {
                    true => Settled::Overtaken(*overtaken),
                    false => Settled::Reported(admins),
                };
                match bench.run(case).await {
                    Ok(()) => {
                        say(&format!("{}\tpasses\t", case.name))?;
                        continue;
                    }
                    Err(verdict) => verdict,
                }
            }
        };
        let mut line = format!("{}\t{said}", case.name);
        if matches!(said, Verdict::Fails(_)) {
            is_good = false;
            line += &format!(" ({})", case.source);
        }
        say(&line.replacen(": ", "\t", 1))?;
    }
    Ok(is_good)
}

/// Prints a line. If the output is closed, the run ends.
fn say(line: &str) -> io::Result<()> {
    let written = writeln!(io::stdout(), "{line}");
    written.map_err(|_| io::Error::from(ErrorKind::BrokenPipe))
}
