//! The `Log`: lines for standard error that a background task writes, and the observer that reports failed copies.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, stderr},
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::timeout,
};
use tower_mirror::{MirrorStats, Outcome, Report, RequestHead, observe::Observer};

/// The number of lines that can wait to be written. Further lines are dropped.
const WAITING: usize = 64;
/// The time that the end of the program waits if no process reads standard error.
const FLUSH: Duration = Duration::from_secs(1);

/// Writes lines to standard error, and never blocks its caller.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Sender<Entry>,
    writer: JoinHandle<()>,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    End,
}

impl Log {
    /// Must be called in a runtime.
    pub(crate) fn start() -> Self {
        let (lines, waiting) = channel(WAITING);
        let writer = tokio::spawn(write(waiting));
        Self { lines, writer }
    }

    pub(crate) fn line(&self, line: impl fmt::Display) {
        let _ = self.lines.try_send(Entry::Line(line.to_string()));
    }

    /// The observer that reports failed copies to this log.
    pub(crate) fn failures(&self) -> Failures {
        Failures {
            counts: Outcome::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            lines: self.lines.clone(),
        }
    }

    /// Writes the lines that wait, for at most one second.
    pub(crate) async fn finish(self) {
        let written = async {
            let _ = self.lines.send(Entry::End).await;
            let _ = self.writer.await;
        };
        let _ = timeout(FLUSH, written).await;
    }
}

/// tokio writes to standard error on a thread of its own, so that a full pipe stops only this task.
async fn write(mut waiting: Receiver<Entry>) {
    let mut stderr = stderr();
    while let Some(Entry::Line(line)) = waiting.recv().await {
        let _ = stderr.write_all(format!("{line}\n").as_bytes()).await;
        let _ = stderr.flush().await;
    }
}

/// Reports the first copy that failed for each reason, then the 2nd, 4th, 8th and so on.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    /// In the order of [`Outcome::ALL`].
    counts: Arc<[AtomicU64]>,
    lines: Sender<Entry>,
}

impl Failures {
    fn count(&self, outcome: Outcome, error: Option<&str>) {
        if !is_failure(outcome) {
            return;
        }
        let places = self.counts.iter().zip(Outcome::ALL);
        let Some((count, _)) = places.into_iter().find(|(_, each)| **each == outcome) else {
            return;
        };
        let count = count.fetch_add(1, Relaxed) + 1;
        if count.is_power_of_two() {
            let line = Failure {
                outcome,
                count,
                error,
            };
            let _ = self.lines.try_send(Entry::Line(line.to_string()));
        }
    }
}

impl Observer for Failures {
    fn on_report(&self, report: &Report) {
        self.count(report.outcome, report.shadow.error.as_deref());
    }

    fn on_skip(&self, outcome: Outcome, _: &RequestHead<'_>) {
        self.count(outcome, None);
    }
}

struct Failure<'a> {
    outcome: Outcome,
    count: u64,
    error: Option<&'a str>,
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            outcome,
            count,
            error,
        } = self;
        write!(
            f,
            "warning: a copy failed: {outcome}, {count} so far ({})",
            outcome.hint()
        )?;
        match error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

/// Whether somebody who operates the mirror should look at this outcome. The others are as configured, or come from the
/// client, or from the end of the program.
fn is_failure(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Filtered
            | Outcome::NotSampled
            | Outcome::Paused
            | Outcome::Loop
            | Outcome::Upgrade
            | Outcome::TransferCoding
            | Outcome::Unread
            | Outcome::ClientAborted
            | Outcome::BodyError
            | Outcome::Draining
            | Outcome::Completed
            | Outcome::CompletedTruncated
            | Outcome::Aborted
    )
}

/// How many copies failed, by reason, or `None` if no copy failed.
pub(crate) fn total(stats: &MirrorStats) -> Option<String> {
    let failed = || {
        let outcomes = stats.outcomes();
        outcomes.filter(|(outcome, count)| *count > 0 && is_failure(*outcome))
    };
    let sum: u64 = failed().map(|(_, count)| count).sum();
    let reasons = failed().map(|(outcome, count)| format!("{outcome} {count}"));
    let reasons: Vec<_> = reasons.collect();
    let requests = stats.requests();
    (sum > 0).then(|| {
        let reasons = reasons.join(", ");
        format!("warning: of {requests} requests, {sum} have no complete copy: {reasons}")
    })
}
