//! The output of the release: facts that it checks, and tables.

use std::fmt::Display;

use crate::{
    catalog::Version::{V1, V2},
    load::Answer,
    seen::Seen,
};

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

/// Prints configured and observed shares of one load, as counted by the split and by the clients.
pub(crate) fn shares(seen: &Seen) {
    println!(
        "   {:<8}{:>12}{:>10}{:>8}{:>10}{:>10}{:>9}{:>13}",
        "subset", "configured", "observed", "keyed", "weighted", "fallback", "users", "clients saw"
    );
    let chosen = seen.counted(V1).chosen() + seen.counted(V2).chosen();
    let users = seen.users();
    for version in [V1, V2] {
        let counted = seen.counted(version);
        println!(
            "   {version:<8}{:>12}{:>10}{:>8}{:>10}{:>10}{:>9}{:>13}",
            percent(counted.configured),
            percent(counted.chosen() as f64 / chosen as f64),
            counted.keyed,
            counted.weighted,
            counted.fallback,
            users
                .iter()
                .filter(|user| **user == Ok(Some(version)))
                .count(),
            seen.by(version).count(),
        );
    }
    println!();
}

/// Prints the answers to requests, by the time when they were sent.
pub(crate) fn phases(phases: &[(&str, Vec<&Answer>)]) {
    println!(
        "   {:<34}{:>9}{:>8}{:>8}{:>14}{:>8}",
        "", "requests", "by v2", "by v1", "fallback: v1", "failed"
    );
    for (when, answers) in phases {
        let count = |is: fn(&Answer) -> bool| answers.iter().filter(|answer| is(answer)).count();
        println!(
            "   {when:<34}{:>9}{:>8}{:>8}{:>14}{:>8}",
            answers.len(),
            count(|it| it.by == Some(V2)),
            count(|it| it.by == Some(V1) && it.why != "fallback"),
            count(|it| it.why == "fallback"),
            count(|it| !it.is_right),
        );
    }
    println!();
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
