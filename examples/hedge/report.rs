//! The output: a table, and facts that are checked.

use std::{fmt::Display, time::Duration};

use crate::load::{Load, REQUESTS};

/// Prints facts, and remembers whether all of them held.
pub(crate) struct Facts {
    pub(crate) all_hold: bool,
}

impl Facts {
    pub(crate) fn check(&mut self, holds: bool, fact: impl Display) {
        println!("   {}  {fact}", if holds { "ok    " } else { "FAILED" });
        self.all_hold &= holds;
    }
}

/// Prints one line for each load, with the number of calls that the server received.
pub(crate) fn table(loads: &[(&str, &Load, usize)]) {
    println!(
        "   {:<20}{:>9}{:>7}{:>11}{:>11}{:>11}{:>8}",
        "", "requests", "right", "p50", "p99", "max", "calls"
    );
    for (name, load, calls) in loads {
        println!(
            "   {name:<20}{REQUESTS:>9}{:>7}{:>11}{:>11}{:>11}{calls:>8}",
            load.right,
            milliseconds(load.at(50)),
            milliseconds(load.at(99)),
            milliseconds(load.at(100)),
        );
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
