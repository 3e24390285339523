//! The evidence itself: pure functions from counts to the logarithms of e-values.
//!
//! Ville's inequality (1939) bounds the probability that a nonnegative supermartingale that starts at 1 ever reaches 1 / alpha.
//! The game of bets is that of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2020).

use super::Counts;

const BETS: u8 = 12;
/// The tests are defined for an excess between -1 and 1, without the ends.
const MOST: f64 = 0.999;
/// A factor below this is a bankruptcy and not a rounding error.
const RUIN: f64 = 1e-12;
/// More requests than any service compares.
const HORIZON: u64 = 1 << 40;

pub(super) fn ln_e_above(counts: &Counts, tolerated: f64) -> f64 {
    let lowest = if counts.has_baseline() { -MOST } else { 0.0 };
    let d = tolerated.clamp(lowest, MOST);
    if d.is_nan() {
        return 0.0;
    }
    let worst = if counts.has_baseline() { 1.0 + d } else { d };
    if worst > 0.0 {
        return ln_mixture(counts, [1.0 - d, -1.0 - d, -d], worst);
    }
    // Nothing is tolerated and nothing excuses a difference. It is the limit of a `d` that falls to 0.
    if counts.shadow_only() > 0 {
        f64::INFINITY
    } else {
        ln_mixture(counts, [0.0, 0.0, -1.0], 1.0)
    }
}

pub(super) fn ln_e_below(counts: &Counts, tolerated: f64) -> f64 {
    let d = tolerated.clamp(-MOST, MOST);
    if d.is_nan() {
        return 0.0;
    }
    ln_mixture(counts, [d - 1.0, 1.0 + d, d], 1.0 - d)
}

/// `pays`: what one request pays where only the shadow differs, where only the baseline does, and in the rest.
/// `worst`: the largest loss of one request, so that no bet loses more than all.
fn ln_mixture(counts: &Counts, pays: [f64; 3], worst: f64) -> f64 {
    let (s, f) = (counts.shadow_only(), counts.baseline_only());
    let times = [s, f, counts.compared().saturating_sub(s).saturating_sub(f)];
    ln_sum((0..BETS).map(|k| {
        let bet = 0.5f64.powi(i32::from(k)) / worst;
        let weight = if k == 0 {
            0.5
        } else {
            0.5 / f64::from(BETS - 1)
        };
        let factors = pays.iter().zip(times).filter(|(_, times)| *times > 0);
        let ln_product = |(pays, times): (&f64, u64)| match bet * pays {
            gain if 1.0 + gain > RUIN => times as f64 * gain.ln_1p(),
            _ => f64::NEG_INFINITY,
        };
        weight.ln() + factors.map(ln_product).sum::<f64>()
    }))
}

/// The logarithm of a sum of exponentials, without overflow.
pub(super) fn ln_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if most.is_infinite() {
        return most;
    }
    most + terms.map(|term| (term - most).exp()).sum::<f64>().ln()
}

pub(super) fn missing(counts: &Counts, tolerated: f64, ln_level: f64) -> Option<u64> {
    let compared = counts.compared();
    let is_enough = |requests: u64| {
        let ratio = requests as f64 / compared.max(1) as f64;
        let scaled = |part: u64| (part as f64 * ratio).round() as u64;
        let (s, f) = (scaled(counts.shadow_only()), scaled(counts.baseline_only()));
        // Both halves of a pair may be rounded up.
        let s = s.min(u64::MAX - f);
        let scaled = Counts::unchecked(requests.max(s + f), s, f, counts.has_baseline());
        ln_e_below(&scaled, tolerated) >= ln_level
    };
    if is_enough(compared) {
        return Some(0);
    }
    let (mut low, mut high) = (compared, compared.max(16));
    while !is_enough(high) {
        low = high;
        high = high.checked_mul(2).filter(|high| *high < HORIZON)?;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high - compared)
}
