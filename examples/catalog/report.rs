//! What the exercise prints: facts that it checks, and tables.

use std::{fmt::Display, fs, time::Duration};

use tokio::runtime::Handle;

use crate::load::{Load, REQUESTS};

/// Prints facts, and remembers whether all of them held.
pub(crate) struct Facts {
    pub(crate) all_hold: bool,
}

impl Facts {
    pub(crate) fn check(&mut self, holds: bool, fact: impl Display) {
        println!("   {}  {fact}", if holds { "ok    " } else { "NOT SO" });
        self.all_hold &= holds;
    }
}

/// What this process uses.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Of the main runtime, which the catalogs do not share.
    pub(crate) tasks: usize,
    /// Like the next, read from `/proc`.
    pub(crate) descriptors: Option<usize>,
    pub(crate) resident: Option<usize>,
}

impl Usage {
    pub(crate) fn now() -> Self {
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

/// By how much usage has grown since its first sample, after so many requests.
pub(crate) fn growth(samples: &[(usize, Usage)]) -> Vec<(usize, Usage)> {
    let Some(((_, start), later)) = samples.split_first() else {
        return Vec::new();
    };
    let grown = later
        .iter()
        .map(|(requests, usage)| (*requests, usage.since(start)));
    grown.collect()
}

/// What two mirrors cost as the same load went on, side by side.
pub(crate) fn usage_table(mirror: &[(usize, Usage)], by_hand: &[(usize, Usage)]) {
    let columns = format!("{:>8}{:>13}{:>13}", "tasks", "descriptors", "memory");
    println!("   {:>9}{:>34}{:>34}", "", "tower-mirror", "by hand");
    println!("   {:>9}{columns}{columns}", "requests");
    for ((requests, mirror), (_, by_hand)) in mirror.iter().zip(by_hand) {
        println!("   {requests:>9}{}{}", mirror.columns(), by_hand.columns());
    }
    if by_hand.iter().any(|(_, usage)| usage.descriptors.is_none()) {
        println!("   (descriptors and memory are read from /proc, which is not here)");
    }
}

/// What clients got, a line for each load.
pub(crate) fn client_table(loads: &[(&str, &Load)]) {
    println!(
        "   {:<34}{:>9}{:>7}{:>10}{:>8}{:>11}{:>11}",
        "", "requests", "by v1", "imageUrl", "errors", "median", "max"
    );
    for (name, load) in loads {
        println!(
            "   {name:<34}{REQUESTS:>9}{:>7}{:>10}{:>8}{:>11}{:>11}",
            load.right,
            load.image_urls,
            load.errors,
            milliseconds(load.median()),
            milliseconds(load.max())
        );
    }
}

pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
