//! Weighted rendezvous hashing, in integers: the same answer on every machine.
//!
//! Each subset draws, for each key, a number that is exponentially distributed with its
//! weight as the rate; the least wins. That is `-log2(u) / weight` with `u` a hash of key and
//! name, so a change of one weight moves keys to or from that subset alone, and neither
//! scaling all weights nor reordering the subsets moves anybody. (As Ceph's straw2 does.)

use std::cmp::Ordering;

use siphasher::sip::SipHasher24;

/// log2(1 + i / 256), as a fraction of 2^56.
static LOG2: [u64; 257] = log2_table();
const ONE: u64 = 1 << 56;

/// What stands for a subset's name in [`pick`].
pub(super) fn name_hash(name: &str) -> u64 {
    mix(SipHasher24::new().hash(name.as_bytes()))
}

/// The subset, by its place in `names` and `weights`; `None` where all weights are zero.
pub(super) fn pick(key: u64, names: &[u64], weights: &[u32]) -> Option<usize> {
    let mut least: Option<(usize, u64)> = None;
    for (subset, (name, &weight)) in names.iter().zip(weights).enumerate() {
        if weight == 0 {
            continue;
        }
        let drawn = negative_log2(mix(key ^ name));
        let is_less = least.is_none_or(|(best, of_best)| {
            // drawn / weight < of_best / weights[best], without dividing: below 2^95.
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
    // 1.xxx: eight bits for the place in the table, the rest to interpolate.
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

/// By repeated squaring, bit by bit, when this is compiled.
const fn log2_table() -> [u64; 257] {
    let mut table = [ONE; 257];
    let mut place = 0;
    while place < 256 {
        // From 1 to 2, as a multiple of 2^-63.
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
