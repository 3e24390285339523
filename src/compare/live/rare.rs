//! Rare routes pass together, if the settings say so.

use crate::{
    compare::{Counts, RouteCounts, Tally},
    sample::SampleRate,
};

/// The label of the routes that pass together.
const RARE: &str = "rare routes";

/// The rows, where those with a share of the requests below `rare` are one row. `None`: no row is rare.
///
/// The choice depends on the traffic only. A choice by differences would favour a side.
pub(super) fn pooled(rows: &[RouteCounts], rare: SampleRate) -> Option<Vec<RouteCounts>> {
    let compared = |row: &RouteCounts| row.whole().requests().compared();
    let all: u64 = rows.iter().map(compared).sum();
    let least = all as f64 * rare.as_percent() / 100.0;
    let is_rare = |row: &&RouteCounts| (compared(row) as f64) < least;
    let (rare, others): (Vec<_>, Vec<_>) = rows.iter().partition(is_rare);
    let whole = sum(rare.iter().map(|row| row.whole()))?;
    let not_judged = rare.iter().map(|row| row.requests_not_judged()).sum();
    let row = RouteCounts::new(RARE, whole).not_judged(not_judged);
    let slow = || rare.iter().filter_map(|row| row.slow());
    let row = match sum(slow().map(|(tally, _)| tally)) {
        Some(tally) => row.latency(tally, slow().map(|(_, in_baseline)| in_baseline).sum()),
        None => row,
    };
    Some(others.into_iter().cloned().chain([row]).collect())
}

/// The sum as PASS may use it: without the requests in which only the baseline differs. They would help PASS, and their cap
/// in each block is that of one route. The sum must not be used as evidence for FAIL.
fn sum(tallies: impl Iterator<Item = Tally>) -> Option<Tally> {
    let (mut compared, mut shadow_only, mut has_baseline) = (0, 0, None);
    for tally in tallies {
        let requests = tally.requests();
        compared += requests.compared();
        shadow_only += requests.shadow_only();
        has_baseline = Some(requests.has_baseline());
    }
    let counts = |compared, shadow_only| match has_baseline? {
        true => Counts::paired(compared, shadow_only, 0).ok(),
        false => Counts::alone(compared, shadow_only).ok(),
    };
    Tally::new(counts(compared, shadow_only)?, counts(0, 0)?, 0).ok()
}
