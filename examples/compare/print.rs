//! What the example prints: statements that it checks, progress, and reports.

use std::{fmt::Display, time::Duration};

use tower_mirror::compare::CompareReport;

/// Prints statements, and remembers whether all of them held.
pub(crate) struct Facts {
    pub(crate) all_hold: bool,
}

impl Facts {
    pub(crate) fn check(&mut self, holds: bool, fact: impl Display) {
        println!("   {:<6}  {fact}", if holds { "ok" } else { "FAILED" });
        self.all_hold &= holds;
    }
}

pub(crate) fn title(text: &str) {
    println!("\n{text}\n");
}

/// A line while the comparison goes on.
pub(crate) fn progress(since: Duration, report: &CompareReport) {
    println!("   .. {:>3} s: {}", since.as_secs(), report.one_line());
}

/// A report, indented.
pub(crate) fn report(report: &CompareReport) {
    println!();
    for line in report.to_string().lines() {
        println!("   | {line}");
    }
    println!();
}
