//! Weighted rendezvous hashing with integers, which has the same result on every machine.
//!
//! For each key, each subset draws a number that is exponentially distributed with the subset's
//! weight as the rate. The subset with the smallest number is chosen. The number is `-log2(u) /
//! weight`, where `u` is a hash of the key and the subset's name. So a change of one weight moves
//! keys only to or from that subset, and no key moves if all weights are scaled or the subsets are
//! reordered. (Ceph's straw2 works in the same way.)

use std::cmp::Ordering;

use siphasher::sip::SipHasher24;

/// log2(1 + i / 256), as a fraction of 2^56.
static LOG2: [u64; 257] = log2_table();
const ONE: u64 = 1 << 56;

/// The hash of a subset's name for [`pick`].
pub(super) fn name_hash(name: &str) -> u64 {
    mix(SipHasher24::new().hash(name.as_bytes()))
}

/// Returns the index of the chosen subset in `names` and `weights`, or `None` if all weights are
/// zero.
pub(super) fn pick(key: u64, names: &[u64], weights: &[u32]) -> Option<usize> {
    let mut least: Option<(usize, u64)> = None;
    for (subset, (name, &weight)) in names.iter().zip(weights).enumerate() {
        if weight == 0 {
            continue;
        }
        let drawn = negative_log2(mix(key ^ name));
        let is_less = least.is_none_or(|(best, of_best)| {
            // This is drawn / weight < of_best / weights[best] without a division. The products are
            // below 2^95, so they cannot overflow.
            let mine = u128::from(drawn) * u128::from(weights[best]);
            let bests = u128::from(of_best) * u128::from(weight);
            match mine.cmp(&bests) {
                Ordering::Equal => *name < names[best],
                order => order == Ordering::Less,
            }
        });
        if is_less {
            least = Some((subset, drawn));
        }
    }
    least.map(|(subset, _)| subset)
}

/// -log2(hash / 2^64), as a multiple of 2^-56: from 0 to 64 * 2^56.
fn negative_log2(hash: u64) -> u64 {
    let hash = hash | 1;
    let zeros = hash.leading_zeros();
    // The fraction of 1.xxx: eight bits are the index into the table, and the rest interpolates.
    let mantissa = hash << zeros << 1;
    let place = (mantissa >> 56) as usize;
    let (low, high) = (LOG2[place], LOG2[place + 1]);
    let part = mantissa & (ONE - 1);
    let between = (u128::from(high - low) * u128::from(part)) >> 56;
    (u64::from(zeros) + 1) * ONE - (low + between as u64)
}

/// The finalizer of SplitMix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Computes the table at compile time, bit by bit, by repeated squaring.
const fn log2_table() -> [u64; 257] {
    let mut table = [ONE; 257];
    let mut place = 0;
    while place < 256 {
        // A number from 1 to 2, as a multiple of 2^-63.
        let mut x = (1 << 63) + ((place as u128) << 55);
        let mut bit = ONE;
        table[place] = 0;
        while bit > 1 {
            bit >>= 1;
            x = (x * x) >> 63;
            if x >= 1 << 64 {
                x >>= 1;
                table[place] |= bit;
            }
        }
        place += 1;
    }
    table
}
