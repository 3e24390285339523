//! What the exercise prints: facts that it checks, progress, and tables.

use std::{
    cell::Cell,
    fmt::{Display, Write},
    fs, io,
    path::Path,
    time::Duration,
};

use anstream::println;
use anstyle::{AnsiColor, Style};
use tokio::{runtime::Handle, time::interval};

use crate::load::{Load, NEW_CLIENTS, REQUESTS};

// `anstream` removes these where the output is not a terminal, or `NO_COLOR` is set.
const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

pub(crate) fn title(text: &str) {
    println!("\n{TITLE}{text}{TITLE:#}\n");
}

/// Prints facts, and remembers whether all of them held.
pub(crate) struct Facts {
    pub(crate) all_hold: bool,
}

impl Facts {
    pub(crate) fn check(&mut self, holds: bool, fact: impl Display) {
        let (style, word) = if holds { (GOOD, "ok") } else { (BAD, "FAILED") };
        println!("   {style}{word:<6}{style:#}  {fact}");
        self.all_hold &= holds;
    }

    pub(crate) fn verdict(&self, took: Duration) {
        let (style, text) = match self.all_hold {
            true => (GOOD, "Every statement above was checked and holds"),
            false => (BAD, "A statement above does not hold; it is marked FAILED"),
        };
        println!("\n{style}{text}{style:#} ({:.1} s).", took.as_secs_f64());
    }
}

/// Prints a text of several lines.
pub(crate) fn indented(text: impl Display) {
    for line in text.to_string().lines() {
        println!("   | {line}");
    }
    println!();
}

/// Waits for a load, and prints each second how many requests it has sent.
pub(crate) async fn with_progress<T>(
    sent: &Cell<usize>,
    what: &str,
    load: impl Future<Output = T>,
) -> T {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.tick().await; // the first one is due at once
    tokio::pin!(load);
    loop {
        tokio::select! {
            ended = &mut load => return ended,
            _ = seconds.tick() => match sent.get() {
                REQUESTS => println!("   {FAINT}.. {what}: waiting for the last answers{FAINT:#}"),
                sent => println!("   {FAINT}.. {what}: {sent} of {REQUESTS} requests sent{FAINT:#}"),
            }
        }
    }
}

/// What this process uses.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Of the main runtime; the catalogs have runtimes of their own.
    pub(crate) tasks: usize,
    /// Read from `/proc`, as is `resident`.
    pub(crate) descriptors: Option<usize>,
    pub(crate) resident: Option<usize>,
}

impl Usage {
    /// Measures. Reading takes a descriptor, which a process at its limit does not get; hence the limit is raised meanwhile.
    pub(crate) fn now() -> Self {
        limit_descriptors(DESCRIPTORS + 1);
        let usage = Self::measure();
        limit_descriptors(DESCRIPTORS);
        usage
    }

    fn measure() -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        let status = fs::read_to_string("/proc/self/status").ok();
        let resident = status.and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib << 10)
        });
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors,
            resident,
        }
    }

    fn since(self, start: &Self) -> Self {
        let more = |now: Option<usize>, then: Option<usize>| Some(now?.saturating_sub(then?));
        Self {
            tasks: self.tasks.saturating_sub(start.tasks),
            descriptors: more(self.descriptors, start.descriptors),
            resident: more(self.resident, start.resident),
        }
    }

    fn columns(&self) -> String {
        let descriptors = self
            .descriptors
            .map_or("?".into(), |more| format!("+{more}"));
        let resident = self
            .resident
            .map_or("?".into(), |more| format!("+{}", size(more)));
        let tasks = format!("+{}", self.tasks);
        format!("{tasks:>8}{descriptors:>13}{resident:>13}")
    }
}

/// How many descriptors this process may open: what most systems allow a service, as `ulimit -n` says.
pub(crate) const DESCRIPTORS: u64 = 1024;

/// Sets that limit, on systems that have one.
pub(crate) fn limit_descriptors(most: u64) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        let current = Some(maximum.map_or(most, |maximum| most.min(maximum)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

/// By how much usage has grown since the first sample, with the number of requests sent by then.
pub(crate) fn growth(samples: &[(usize, Usage)]) -> Vec<(usize, Usage)> {
    let Some(((_, start), later)) = samples.split_first() else {
        return Vec::new();
    };
    let grown = later
        .iter()
        .map(|(requests, usage)| (*requests, usage.since(start)));
    grown.collect()
}

/// What two mirrors used while the same load was sent, side by side.
pub(crate) fn usage_table(mirror: &[(usize, Usage)], by_hand: &[(usize, Usage)]) {
    let columns = format!("{:>8}{:>13}{:>13}", "tasks", "descriptors", "memory");
    println!(
        "   {:>9}{:>34}{:>34}",
        "", "tower-mirror", "written by hand"
    );
    println!("   {:>9}{columns}{columns}", "requests");
    for ((requests, mirror), (_, by_hand)) in mirror.iter().zip(by_hand) {
        println!("   {requests:>9}{}{}", mirror.columns(), by_hand.columns());
    }
    if by_hand.iter().any(|(_, usage)| usage.descriptors.is_none()) {
        println!("   (This system has no /proc, from which descriptors and memory are read.)");
    }
}

/// What clients received, one line for each load.
pub(crate) fn client_table(loads: &[(&str, &Load)]) {
    println!(
        "   {:<30}{:>9}{:>15}{:>12}{:>11}{:>11}",
        "", "requests", "answers by v1", "no answer", "p50", "p99"
    );
    for (name, load) in loads {
        let style = if load.failed == 0 { Style::new() } else { BAD };
        println!(
            "   {name:<30}{REQUESTS:>9}{:>15}{style}{:>12}{style:#}{:>11}{:>11}",
            load.correct,
            load.failed,
            milliseconds(load.percentile(50)),
            milliseconds(load.percentile(99))
        );
    }
    println!(
        "   (One request in ten is the first one of a new client: {NEW_CLIENTS} of {REQUESTS}.)"
    );
}

pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Writes a line for each answered request: the load, seconds since the first request, and milliseconds.
pub(crate) fn write_latencies(file: &Path, loads: &[(&str, &Load)]) -> io::Result<()> {
    let mut lines = String::from("load\tseconds\tmilliseconds\n");
    for (name, load) in loads {
        for (sent, took) in &load.latencies {
            let (sent, took) = (sent.as_secs_f64(), took.as_secs_f64() * 1e3);
            writeln!(lines, "{name}\t{sent:.6}\t{took:.3}").map_err(io::Error::other)?;
        }
    }
    fs::write(file, lines)
}
