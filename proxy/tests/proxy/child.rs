//! The proxy as a child process, killed when dropped.

use std::{net::SocketAddr, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use crate::{
    client::{Answer, Client, get},
    within,
};

pub(crate) struct Proxy {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Standard error, where a test reads it.
    log: Option<Lines<BufReader<ChildStderr>>>,
    pub(crate) address: SocketAddr,
    admin: Option<SocketAddr>,
}

impl Proxy {
    /// Listens on ports of its own. `--admin` is added where there is a `--shadow` or a `--subset`.
    pub(crate) async fn start(args: &[&str]) -> Self {
        let is_steered = args.contains(&"--shadow") || args.contains(&"--subset");
        let mut command = command(args);
        command.args(["--listen", "127.0.0.1:0"]);
        if is_steered {
            command.args(["--admin", "127.0.0.1:0"]);
        }
        command.stderr(Stdio::piped());
        let mut proxy = Self::spawn(command, is_steered).await;
        // As the test's own output, so that it is seen only where the test fails.
        if let Some(mut log) = proxy.log.take() {
            tokio::spawn(async move {
                while let Ok(Some(line)) = log.next_line().await {
                    eprintln!("{line}");
                }
            });
        }
        proxy
    }

    /// With these variables in its environment, which must name the addresses too. What it logs can be read.
    pub(crate) async fn start_by_environment(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(args);
        command
            .envs(variables.iter().copied())
            .stderr(Stdio::piped());
        Self::spawn(command, true).await
    }

    async fn spawn(mut command: Command, is_steered: bool) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = child.stderr.take().map(|log| BufReader::new(log).lines());
        let mut proxy = Self {
            child,
            lines,
            log,
            address: SocketAddr::from(([0; 4], 0)),
            admin: None,
        };
        proxy.address = proxy.says("listening on ").await.parse().unwrap();
        if is_steered {
            proxy.admin = Some(proxy.says("admin on ").await.parse().unwrap());
        }
        proxy
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.unwrap()
    }

    /// The rest of its next line, which must begin like this.
    pub(crate) async fn says(&mut self, beginning: &str) -> String {
        let line = within("a line of the proxy", self.lines.next_line()).await;
        let line = line.unwrap().unwrap_or_default();
        let rest = line.strip_prefix(beginning);
        rest.unwrap_or_else(|| panic!("expected {beginning:?}, got {line:?}"))
            .to_owned()
    }

    /// The next line that it logs, if there is one more.
    pub(crate) async fn logs(&mut self) -> Option<String> {
        let log = self.log.as_mut().unwrap();
        within("a line of the log", log.next_line()).await.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        kill_process(pid.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    }

    /// Waits until it has ended; it must have nothing more to say.
    pub(crate) async fn exit_code(mut self) -> Option<i32> {
        let rest = within("the end of its output", self.lines.next_line()).await;
        assert_eq!(rest.unwrap(), None);
        within("its end", self.child.wait()).await.unwrap().code()
    }

    pub(crate) async fn put_mirror(&self, body: &str) -> Answer {
        self.put("/mirror", body).await
    }

    /// On the admin address.
    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        let url = format!("http://{}{path}", self.admin());
        let request = http::Request::put(url).body(body.to_owned().into());
        Client::http1().send(request.unwrap()).await
    }

    /// On the admin address.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(&format!("http://{}{path}", self.admin())).await
    }

    pub(crate) async fn stats(&self) -> Stats {
        let answer = self.get("/stats").await;
        assert_eq!(answer.status, 200);
        let stats = Stats(serde_json::from_slice(&answer.body).unwrap());
        let sum: u64 = stats.outcomes().map(|(_, count)| count).sum();
        assert_eq!(sum + stats.number("in_flight"), stats.number("requests"));
        stats
    }

    /// The stats once no copy is in flight.
    pub(crate) async fn settled(&self) -> Stats {
        within("the copies in flight", async {
            loop {
                let stats = self.stats().await;
                if stats.number("in_flight") == 0 {
                    return stats;
                }
            }
        })
        .await
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Stats(Value);

impl Stats {
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap()
    }

    pub(crate) fn outcome(&self, name: &str) -> u64 {
        self.0["outcomes"][name].as_u64().unwrap()
    }

    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&str, u64)> {
        let outcomes = self.0["outcomes"].as_object().unwrap();
        outcomes
            .iter()
            .map(|(name, count)| (name.as_str(), count.as_u64().unwrap()))
    }

    pub(crate) fn fields(&self) -> Vec<&str> {
        self.0
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }
}

/// Runs it to its end: its exit status and what it said on standard error.
pub(crate) async fn run(args: &[&str]) -> (Option<i32>, String) {
    let (code, output, said) = run_by_environment(args, &[]).await;
    assert_eq!(output, "");
    (code, said)
}

/// Runs it to its end with these variables: its exit status, its output and what it said on standard error.
pub(crate) async fn run_by_environment(
    args: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let mut command = command(args);
    let output = command.envs(variables.iter().copied()).output();
    let output = within("running the proxy", output).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tower-mirror-proxy"));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}
