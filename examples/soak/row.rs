//! The results of rounds.

use std::time::Duration;

use tower_mirror::{MirrorStats, Outcome, mirror::DrainReport, split::SplitStats};

use crate::{client::Tally, usage::Usage};

/// The number of faults that are printed for a round.
const MOST_SAID: usize = 5;

pub(crate) struct Row {
    pub(crate) tally: Tally,
    /// Requests that entered the mirror, as counted by the driver.
    pub(crate) entered: u64,
    pub(crate) stats: MirrorStats,
    pub(crate) served: SplitStats,
    pub(crate) drained: DrainReport,
    pub(crate) is_live: bool,
    pub(crate) is_http2: bool,
    pub(crate) changes: u64,
    /// Copies that reached the shadow completely, and those of them that differ from what a client sent.
    pub(crate) received: u64,
    pub(crate) wrong_copies: u64,
    pub(crate) took: Duration,
    pub(crate) usage: Usage,
    pub(crate) before: Usage,
}

pub(crate) fn header() {
    println!(
        "{:>5} {:<11}{:>9}{:>9}{:>7}{:>6} |{:>9}{:>8}{:>8}{:>9}{:>8} |{:>5}{:>9}{:>8}",
        "round",
        "copies",
        "requests",
        "right",
        "left",
        "wrong",
        "answered",
        "failed",
        "late",
        "skipped",
        "changes",
        "fds",
        "memory",
        "req/s"
    );
}

impl Row {
    /// The faults of the round.
    fn faults(&self) -> Vec<String> {
        let Tally {
            made,
            right,
            left,
            wrong,
        } = &self.tally;
        let mut faults: Vec<String> = wrong.iter().take(MOST_SAID).cloned().collect();
        let mut must = |holds: bool, what: String| {
            if !holds {
                faults.push(what);
            }
        };
        let stats = &self.stats;
        let outcomes: u64 = stats.outcomes().map(|(_, count)| count).sum();
        let (requests, entered) = (stats.requests(), self.entered);
        must(
            right + left + wrong.len() as u64 >= *made,
            format!("{made} requests were made, {right} answered, {left} left"),
        );
        must(
            requests == entered && outcomes == entered,
            format!("{entered} entered, {requests} were counted, with {outcomes} outcomes"),
        );
        must(
            (*right..=right + left + wrong.len() as u64).contains(&entered),
            format!("{entered} entered, of {right} that were answered and {left} that may have"),
        );
        must(
            stats.in_flight() == 0 && stats.buffered_bytes() == 0,
            format!(
                "{} in flight, {} bytes",
                stats.in_flight(),
                stats.buffered_bytes()
            ),
        );
        let aborted = stats.outcome(Outcome::Aborted);
        must(
            aborted == self.drained.aborted,
            format!("{aborted} aborted, {} by the drain", self.drained.aborted),
        );
        let served: u64 = self.served.subsets.iter().map(|one| one.served()).sum();
        must(
            (*right..=entered).contains(&served) && self.served.no_weight == 0,
            format!("{served} served by the split, of {entered}"),
        );
        let bugs = [
            Outcome::Panicked,
            Outcome::PolicyPanicked,
            Outcome::NoRuntime,
        ];
        must(
            bugs.iter().all(|&bug| stats.outcome(bug) == 0) && stats.observer_panics() == 0,
            format!("{stats}"),
        );
        // A request that was answered had arrived completely.
        let answered = stats.outcome(Outcome::Completed);
        must(
            answered <= self.received + aborted && self.wrong_copies == 0,
            format!(
                "{answered} copies answered, {} received, {} of them wrong",
                self.received, self.wrong_copies
            ),
        );
        must(
            self.usage.descriptors == self.before.descriptors,
            format!("{:?}, and before {:?}", self.usage, self.before),
        );
        faults
    }

    pub(crate) fn print(&self, number: usize) {
        let of = |outcomes: &[Outcome]| -> u64 {
            outcomes.iter().map(|&one| self.stats.outcome(one)).sum()
        };
        let answered = of(&[Outcome::Completed, Outcome::CompletedTruncated]);
        let failed = of(&[Outcome::FailedConnect, Outcome::FailedTransport]);
        let late = of(&[Outcome::TimedOut, Outcome::Lagged, Outcome::Aborted]);
        let copies = match (self.is_live, self.is_http2) {
            (false, false) => "whole, h1",
            (false, true) => "whole, h2",
            (true, false) => "live, h1",
            (true, true) => "live, h2",
        };
        println!(
            "{number:>5} {copies:<11}{:>9}{:>9}{:>7}{:>6} |{answered:>9}{failed:>8}{late:>8}{:>9}{:>8} |{:>5}{:>9}{:>8.0}",
            self.tally.made,
            self.tally.right,
            self.tally.left,
            self.tally.wrong.len(),
            self.entered - (answered + failed + late).min(self.entered),
            self.changes,
            self.usage
                .descriptors
                .map_or("?".into(), |it| it.to_string()),
            self.usage.resident.map_or("?".into(), mib),
            self.tally.made as f64 / self.took.as_secs_f64(),
        );
        for fault in self.faults() {
            println!("      FAILED  {fault}");
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// All rounds so far.
pub(crate) struct Total {
    pub(crate) before: Usage,
    pub(crate) requests: u64,
    right: u64,
    left: u64,
    copies: u64,
    changes: u64,
    faults: usize,
    outcomes: Vec<(Outcome, u64)>,
    resident: Vec<Option<u64>>,
}

impl Total {
    pub(crate) fn new(before: Usage) -> Self {
        Self {
            before,
            requests: 0,
            right: 0,
            left: 0,
            copies: 0,
            changes: 0,
            faults: 0,
            outcomes: Outcome::ALL.iter().map(|&outcome| (outcome, 0)).collect(),
            resident: Vec::new(),
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.resident.len()
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.requests += row.tally.made;
        self.right += row.tally.right;
        self.left += row.tally.left;
        self.copies += row.received;
        self.changes += row.changes;
        self.faults += row.faults().len();
        for (outcome, count) in &mut self.outcomes {
            *count += row.stats.outcome(*outcome);
        }
        self.resident.push(row.usage.resident);
    }

    /// By how many bytes memory has grown since the warm-up: the maximum of the last rounds compared with the maximum of the warm-up.
    fn growth(&self) -> Option<u64> {
        let resident: Vec<u64> = self.resident.iter().copied().collect::<Option<_>>()?;
        let warm = (resident.len() / 10).max(2);
        let (first, later) = resident.split_at_checked(warm)?;
        let last = later.iter().rev().take(warm).max()?;
        Some(last.saturating_sub(*first.iter().max()?))
    }

    /// Prints the result, and returns whether every statement holds.
    pub(crate) fn judge(&self, took: Duration, most_growth: u64, panics: u64) -> bool {
        let rate = self.requests as f64 / took.as_secs_f64();
        println!(
            "\n{} requests in {} rounds, {:.0} s, {rate:.0} a second: 10 million take {:.0} minutes here",
            self.requests,
            self.rounds(),
            took.as_secs_f64(),
            1e7 / rate / 60.0
        );
        println!(
            "{} right answers; {} clients went away; {} copies arrived whole; {} changes\n",
            self.right, self.left, self.copies, self.changes
        );
        for (outcome, count) in self.outcomes.iter().filter(|(_, count)| *count > 0) {
            println!("{count:>12}  {outcome}");
        }
        println!();
        let mut all_hold = true;
        let mut check = |holds: bool, fact: &str| {
            println!("{}  {fact}", if holds { "ok    " } else { "FAILED" });
            all_hold &= holds;
        };
        check(self.rounds() > 0, "there was a round");
        check(
            self.faults == 0,
            "every answer was right, every copy that arrived whole was exact, the books balanced, nothing was left over",
        );
        check(panics == 0, "nothing panicked");
        match self.growth() {
            None => {
                println!("        memory: too few rounds, or no /proc, to measure its growth")
            }
            Some(growth) => check(
                growth <= most_growth << 20,
                &format!(
                    "memory grew by {} since the warm-up; {most_growth} MiB are allowed",
                    mib(growth)
                ),
            ),
        }
        all_hold
    }
}
